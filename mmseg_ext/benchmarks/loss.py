"""Losses through our heads beside MMSegmentation's."""

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from mmseg_ext.engine.errors import UsageError, silence_known_warnings
from mmseg_ext.records.provenance import processor_name

from .commands import fastest
from .loss_step import First, Settings, first_step, time_steps, warm_up
from .loss_variants import Variant, has_stock_operator, variants
from .report import describe_machine, describe_timings

Result = TypeVar('Result')

# Most that may differ: values absolutely; gradients relatively, in norm; acc_seg in points. In half
# precision the gradient is rounded to 8 or 11 bits in the end.
MOST_VALUE, MOST_ACCURACY = 1e-5, 0.01
MOST_GRADIENT = dict(float32=1e-4, bfloat16=1e-2, float16=1e-2)
GIB = 2**30


def compare(settings: Settings, comparisons: list[str], repeats: int) -> dict:
    """Measures a training step of each variant, each in a process of its own, in turn.

    Args:
        settings: What the losses are given.
        comparisons: Keys of ``COMPARISONS``.
        repeats: Rounds; the fastest step counts.

    Returns:
        By comparison the variants, see ``describe``; whether all that have to agree do; notes for
        the reader; the settings and the machine.

    Raises:
        UsageError: There is no such device, or too little memory.
    """
    check(settings)
    found = {
        name: describe(
            *measure(variants(name, settings.device, settings.dtype), settings, repeats), settings
        )
        for name in comparisons
    }
    cuda = settings.device == 'cuda'
    notes = []
    if cuda and 'focal-dice' in comparisons and not has_stock_operator():
        notes.append("mmcv has no compiled operators here: stock FocalLoss's is left out")
    return dict(
        benchmark='loss',
        settings=asdict(settings),
        repeats=repeats,
        comparisons=found,
        faults=[f'{name}: {fault}' for name, rows in found.items() for fault in find_faults(rows)],
        notes=notes,
        device=torch.cuda.get_device_name() if cuda else processor_name(),
        machine=describe_machine(),
    )


def check(settings: Settings) -> None:
    """Raises ``UsageError`` for what cannot be measured here."""
    if settings.device == 'cuda' and not torch.cuda.is_available():
        raise UsageError(
            f'--device cuda: PyTorch {torch.__version__} sees no GPU here; take --device cpu'
        )
    if not 2 <= settings.classes <= 255:
        raise UsageError(
            f'--classes {settings.classes}: take 2 to 255, as 255 marks the pixels to ignore'
        )


def measure(
    rows: list[Variant], settings: Settings, repeats: int
) -> tuple[list[Variant], dict[str, First], dict, dict[str, Tensor]]:
    """Runs the variants.

    Returns:
        The variants as given, and by name what their first step gave, their timings, and their
        gradients, (N, C, h, w), float32.
    """
    context = multiprocessing.get_context('spawn')  # a fork would share memory and threads
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix='loss-') as folder:
        pools = {
            row: stack.enter_context(ProcessPoolExecutor(1, context, silence_known_warnings))
            for row in rows
        }
        # imports take seconds, so all at once
        starts = [pool.submit(warm_up, row, settings) for row, pool in pools.items()]
        for start in starts:
            start.result()
        files = {row: Path(folder) / f'{number}.pt' for number, row in enumerate(rows)}
        first = {row.name: _ask(pools, first_step, row, settings, files[row]) for row in rows}
        timings = {row.name: [] for row in rows}
        for _ in range(repeats):
            for row in rows:
                timings[row.name] += _ask(pools, time_steps, row, settings)
        gradients = {row.name: torch.load(files[row], weights_only=True) for row in rows}
    return rows, first, timings, gradients


def describe(
    rows: list[Variant],
    first: dict[str, First],
    timings: dict,
    gradients: dict[str, Tensor],
    settings: Settings,
) -> dict[str, dict]:
    """Compares the variants with the baseline, which is the first.

    Returns:
        By name ``describe_timings``; ``speed`` and ``cpu_speed``, how many times as fast as the
        baseline by wall and by CPU time; ``terms``, the losses and acc_seg; ``peak_mb`` in 10^6
        bytes, ``memory``, how many times less than the baseline's, and ``images_per_gib``, None
        where the system does not say; ``agrees``, None where another loss is not compared,
        ``value_difference``, the largest of a loss, ``gradient_difference``, relative in norm,
        ``gradient_largest``, the largest of an element over the largest element, and
        ``accuracy_difference`` in points.
    """
    baseline = rows[0].name
    exact = next((row.name for row in rows if row.upcast), baseline)
    described = describe_timings(timings, settings.threads)
    for row in rows:
        own, base = first[row.name], first[baseline]
        fast, slow = fastest(timings[row.name]), fastest(timings[baseline])
        found = described[row.name]
        found.update(speed=slow.wall / fast.wall, cpu_speed=slow.cpu / fast.cpu, terms=own.terms)
        measured = own.peak and base.peak
        found.update(
            peak_mb=own.peak / 1e6 if measured else None,
            memory=base.peak / own.peak if measured else None,
            images_per_gib=settings.images * GIB / own.peak if measured else None,
        )
        found.update(agrees=None)
        if row.agrees is not None:
            found.update(
                differences(own.terms, first[exact].terms, gradients[row.name], gradients[exact])
            )
        if row.agrees:
            found.update(
                agrees=found['value_difference'] <= MOST_VALUE
                and found['gradient_difference'] <= MOST_GRADIENT[settings.dtype]
                and found['accuracy_difference'] <= MOST_ACCURACY,
                most_gradient=MOST_GRADIENT[settings.dtype],
            )
    return described


def differences(
    terms: dict[str, float], exact: dict[str, float], gradient: Tensor, exact_gradient: Tensor
) -> dict[str, float]:
    """How far losses, accuracy and gradient, (N, C, h, w), are from exact ones."""
    if terms.keys() != exact.keys():
        raise ValueError(f'terms {sorted(terms)} cannot be compared with {sorted(exact)}')
    off = {name: abs(value - exact[name]) for name, value in terms.items()}
    apart = (gradient - exact_gradient).double()
    return dict(
        value_difference=max(value for name, value in off.items() if 'loss' in name),
        gradient_difference=float(apart.norm() / exact_gradient.double().norm()),
        gradient_largest=float(apart.abs().max() / exact_gradient.abs().max()),
        accuracy_difference=off['acc_seg'],
    )


def find_faults(described: dict[str, dict]) -> list[str]:
    """One line for each variant that has to agree with stock and does not."""
    return [
        f'{name!r} is not what stock gives: value off by {row["value_difference"]:.1e} (at most '
        f'{MOST_VALUE:.0e}), gradient by {row["gradient_difference"]:.1e} of its norm (at most '
        f'{row["most_gradient"]:.0e}), acc_seg by {row["accuracy_difference"]:.1e} points (at most '
        f'{MOST_ACCURACY})'
        for name, row in described.items()
        if row['agrees'] is False
    ]


def _ask(
    pools: dict[Variant, ProcessPoolExecutor], function: Callable[..., Result], row: Variant, *rest
) -> Result:
    """Calls a function of a variant in its process; raises ``UsageError`` for want of memory."""
    way_out = 'take fewer --images, or smaller --labels'
    try:
        return pools[row].submit(function, row, *rest).result()
    except BrokenProcessPool as error:
        raise UsageError(
            f'{row.name}: its process was killed, for want of memory if nobody did it; {way_out}'
        ) from error
    except RuntimeError as error:
        short = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not short:
            raise
        raise UsageError(f'{row.name}: {str(error).splitlines()[0]}; {way_out}') from error
