"""What evaluation costs after the network, MMSegmentation's way and ours."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict

import torch
from torch import Tensor

from mmseg_ext.engine.errors import UsageError, silence_known_warnings
from mmseg_ext.records.provenance import processor_name

from .commands import Timing, fastest
from .evaluation_step import Settings, first_labels, time_steps, warm_up
from .report import describe_machine, describe_timings

OURS, STOCK = 'mmseg_ext', 'stock'
# TTA adds probabilities in another order, so pixels may differ whose best two are as good as equal
MOST_DIFFERENT = dict(whole=0.0, slide=0.0, tta=1e-4)


def compare(settings: Settings, cases: list[tuple[str, str]], repeats: int) -> dict:
    """Runs both ways in processes of their own, in turn.

    Args:
        settings: Image and classes.
        cases: Mode, of ``MOST_DIFFERENT``, and logits, 'network' or 'noise', of each row.
        repeats: Rounds; the fastest counts.

    Returns:
        Rows with ``describe_timings`` of each way, ``peak_mb`` in 10^6 bytes, ``speed`` and
        ``memory``, how many times as fast and as small ours is, and ``different``, the share of
        pixels whose label is another; faults; the settings and the machine.

    Raises:
        UsageError: There is no such device.
    """
    if settings.device == 'cuda' and not torch.cuda.is_available():
        raise UsageError(
            f'--device cuda: PyTorch {torch.__version__} sees no GPU here; take --device cpu'
        )
    rows = [_measure(settings, mode, kind, repeats) for mode, kind in cases]
    return dict(
        benchmark='evaluation',
        settings=asdict(settings),
        repeats=repeats,
        rows=rows,
        faults=[fault for row in rows for fault in find_faults(row)],
        device=processor_name() if settings.device == 'cpu' else torch.cuda.get_device_name(),
        machine=describe_machine(),
    )


def describe(
    mode: str,
    kind: str,
    settings: Settings,
    labels: dict[str, Tensor],
    peaks: dict[str, int | None],
    timings: dict[str, list[Timing]],
) -> dict:
    """A row of ``compare`` from what both ways gave, by name."""
    wall = {name: fastest(rounds).wall for name, rounds in timings.items()}
    measured = peaks[STOCK] and peaks[OURS]
    return dict(
        mode=mode,
        logits=kind,
        ways=describe_timings(timings, settings.threads),
        peak_mb={name: peak / 1e6 if peak else None for name, peak in peaks.items()},
        speed=wall[STOCK] / wall[OURS],
        memory=peaks[STOCK] / peaks[OURS] if measured else None,
        different=float((labels[STOCK] != labels[OURS]).double().mean()),
        classes_found=len(labels[STOCK].unique()),
    )


def find_faults(row: dict) -> list[str]:
    """One line if labels differ that have to be the same."""
    most = MOST_DIFFERENT[row['mode']]
    if row['different'] <= most:
        return []
    return [
        f'{row["mode"]}, {row["logits"]}: {row["different"]:.2%} of the labels are not those of '
        f'stock (at most {most:.2%})'
    ]


def _measure(settings: Settings, mode: str, kind: str, repeats: int) -> dict:
    context = multiprocessing.get_context('spawn')  # a fork would share memory and threads
    with ExitStack() as stack:
        pools = {
            name: stack.enter_context(ProcessPoolExecutor(1, context, silence_known_warnings))
            for name in (STOCK, OURS)
        }
        # imports take seconds, so both at once
        for start in [pool.submit(warm_up, name, settings) for name, pool in pools.items()]:
            start.result()
        what = settings, mode, kind
        first = {name: pools[name].submit(first_labels, name, *what).result() for name in pools}
        timings: dict[str, list[Timing]] = {name: [] for name in pools}
        for _ in range(repeats):
            for name, pool in pools.items():
                timings[name] += pool.submit(time_steps, name, *what).result()
    labels = {name: torch.from_numpy(found) for name, (found, _) in first.items()}
    peaks = {name: peak for name, (_, peak) in first.items()}
    return describe(mode, kind, settings, labels, peaks, timings)
