"""One network trained with several losses and seeds."""

import sys
from collections.abc import Sequence
from pathlib import Path
from pprint import pformat
from statistics import mean

from mmengine.config import Config
from rich.console import Console
from rich.table import Table

import mmseg_ext
from mmseg_ext import models
from mmseg_ext.engine.config import is_by_epoch, load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.history import best_of, read_validations
from mmseg_ext.records.provenance import device_name

from .commands import time_command
from .loss_variants import STOCK_FORM
from .report import describe_machine

TRAIN = Path(mmseg_ext.__file__).parents[1] / 'tools/train.py'
LOSSES = {
    'cross-entropy': dict(type='mmseg_ext.CrossEntropyLoss'),
    'focal-dice-stock': dict(type='mmseg_ext.FocalDiceLoss', **STOCK_FORM),
    'focal-dice': dict(type='mmseg_ext.FocalDiceLoss'),
}


def train_all(
    config: str, losses: Sequence[str], seeds: Sequence[int], work_dirs: Path, options: dict
) -> dict:
    """Trains a leaf with each loss and seed, one run after another, and gathers the scores.

    Finished runs are not repeated, others are resumed.

    Args:
        config: The leaf.
        losses: Keys of ``LOSSES``.
        seeds: Of ``randomness``.
        work_dirs: Takes the config and the folder of each run.
        options: Dotted keys and values that change the leaf in all runs.

    Returns:
        ``runs``: loss, seed, and epoch, iteration and metrics of the last validation and of that
        with the highest mIoU; ``scores``: by loss the last mIoU of each seed; the settings and the
        machine.

    Raises:
        UsageError: A config that does not load, a folder with runs of other settings, a run that
            failed, or one without mIoU.
    """
    pairs = [(seed, loss) for seed in seeds for loss in losses]
    leaves = [write_leaf(config, loss, seed, work_dirs, options) for seed, loss in pairs]
    runs = []
    for (seed, loss), leaf in zip(pairs, leaves, strict=True):
        work_dir = leaf.with_suffix('')
        if not is_finished(leaf, work_dir):
            print(f'{len(runs) + 1} of {len(pairs)}: {work_dir}', flush=True)
            resume = ['--resume'] if any(work_dir.glob('*.pth')) else []
            time_command([sys.executable, TRAIN, leaf, '--work-dir', work_dir, *resume])
        validations = read_validations(work_dir)
        best = best_of(validations)
        if best is None:
            raise UsageError(f'{leaf} gives no mIoU to compare: it needs a validation with it')
        runs.append(dict(loss=loss, seed=seed, last=_brief(validations[-1]), best=_brief(best)))
    return dict(
        benchmark='loss-training',
        config=config,
        options=options,
        runs=runs,
        scores={
            loss: {str(run['seed']): run['last']['mIoU'] for run in runs if run['loss'] == loss}
            for loss in losses
        },
        device=device_name(),
        machine=describe_machine(),
    )


def write_leaf(config: str, loss: str, seed: int, work_dirs: Path, options: dict) -> Path:
    """Writes the config of a run, over ``config``.

    The decode head becomes the one of mmseg_ext where there is one of its name. Auxiliary heads
    keep their losses.

    Raises:
        UsageError: The decode head is a cascade, or the file is there with other settings.
    """
    head = load_config(config, options).model.decode_head
    if isinstance(head, (list, tuple)):
        raise UsageError(f'{config} has a cascade of {len(head)} decode heads: take one with one')
    name = str(head.type).rpartition('.')[2]
    changes = Config(
        dict(
            model=dict(
                decode_head=dict(
                    type=f'mmseg_ext.{name}' if name in models.__all__ else head.type,
                    loss_decode=dict(_delete_=True, **LOSSES[loss]),
                )
            ),
            randomness=dict(seed=seed),
        )
    )
    changes.merge_from_dict(options)
    lines = [f'{key} = {pformat(value, sort_dicts=False)}' for key, value in changes.items()]
    title = f'"""{Path(config).stem} with {loss}, made by benchmark.py loss-training."""'
    base = f'_base_ = [{str(Path(config).resolve())!r}]'
    text = '\n'.join([title, '', base, *lines, ''])
    leaf = work_dirs / f'{loss}-seed{seed}.py'
    if leaf.is_file() and leaf.read_text() != text:
        raise UsageError(f'{leaf} was trained with other settings: name another --work-dirs')
    work_dirs.mkdir(parents=True, exist_ok=True)
    leaf.write_text(text)
    return leaf


def is_finished(leaf: Path, work_dir: Path) -> bool:
    """Whether a run has its last validation."""
    validations, cfg = read_validations(work_dir), load_config(str(leaf))
    unit = 'epoch' if is_by_epoch(cfg) else 'iter'
    return bool(validations) and validations[-1][unit] >= cfg.train_cfg[f'max_{unit}s']


def print_scores(result: dict) -> None:
    """Prints the last mIoU of each loss and seed of ``train_all``, and the mean of each loss."""
    seeds = list(next(iter(result['scores'].values())))
    table = Table('mIoU', title=f'{Path(result["config"]).stem}, {result["device"]}')
    for heading in (*(f'seed {seed}' for seed in seeds), 'mean'):
        table.add_column(heading, justify='right')
    for loss, scores in result['scores'].items():
        values = *scores.values(), mean(scores.values())
        table.add_row(loss, *(f'{value:.2f}' for value in values))
    Console().print(table)


def _brief(validation: dict) -> dict:
    return dict(epoch=validation['epoch'], iter=validation['iter'], **validation['metrics'])
