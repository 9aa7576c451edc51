"""One leaf trained in several variants and with several seeds."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pprint import pformat
from statistics import mean

from mmengine.config import Config
from rich.console import Console
from rich.table import Table

import mmseg_ext
from mmseg_ext.engine.config import is_by_epoch, load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.recipe.reading import NAMED_GPUS, read_setup
from mmseg_ext.records.history import best_of, read_validations
from mmseg_ext.records.provenance import device_name

from .commands import time_command
from .report import describe_machine

TRAIN = Path(mmseg_ext.__file__).parents[1] / 'tools/train.py'


def train_all(
    what: str,
    config: str,
    variants: Mapping[str, dict],
    seeds: Sequence[int],
    work_dirs: Path,
    options: dict,
) -> dict:
    """Trains a leaf in each variant with each seed, one run after another, and gathers the scores.

    Finished runs are not repeated, others are resumed. If one process makes another batch than the
    leaf is for, a line says so.

    Args:
        what: What the variants are: ``loss``, say.
        config: The leaf.
        variants: By name, what each changes in the leaf.
        seeds: Of ``randomness``.
        work_dirs: Takes the config and the folder of each run.
        options: Dotted keys and values that change the leaf in all runs.

    Returns:
        ``runs``: the variant under ``what``, seed, folder, and epoch, iteration and metrics of the
        last validation and of that with the highest mIoU; ``scores``: by variant the last mIoU of
        each seed; the settings and the machine.

    Raises:
        UsageError: A folder with runs of other settings, an option that overrules a variant or
            the seeds, a run that failed, or one without mIoU.
    """
    pairs = [(seed, name) for seed in dict.fromkeys(seeds) for name in variants]
    leaves = [
        write_leaf(what, config, name, variants[name], seed, work_dirs, options)
        for seed, name in pairs
    ]
    note = describe_batch(config, options)
    if note:
        print(note, flush=True)
    runs = []
    for (seed, name), leaf in zip(pairs, leaves, strict=True):
        work_dir = leaf.with_suffix('')
        if not is_finished(leaf, work_dir):
            print(f'{len(runs) + 1} of {len(pairs)}: {work_dir}', flush=True)
            resume = ['--resume'] if any(work_dir.glob('*.pth')) else []
            time_command([sys.executable, TRAIN, leaf, '--work-dir', work_dir, *resume])
        validations = read_validations(work_dir)
        best = best_of(validations)
        if best is None:
            raise UsageError(f'{leaf} gives no mIoU to compare: it needs a validation with it')
        scores = dict(last=_brief(validations[-1]), best=_brief(best))
        runs.append({what: name, 'seed': seed, 'work_dir': str(work_dir), **scores})
    return dict(
        benchmark=f'{what}-training',
        config=config,
        options=options,
        runs=runs,
        scores={
            name: {str(run['seed']): run['last']['mIoU'] for run in runs if run[what] == name}
            for name in variants
        },
        device=device_name(),
        machine=describe_machine(),
    )


def write_leaf(
    what: str, config: str, name: str, changes: dict, seed: int, work_dirs: Path, options: dict
) -> Path:
    """Writes the config of a run, over ``config``; the arguments are those of ``train_all``.

    Raises:
        UsageError: The file is there with other settings, or an option overrules a change.
    """
    meant = dict(changes, randomness=dict(seed=seed))
    changed = Config(meant)
    changed.merge_from_dict(_for_a_file(options, changed, config))
    for path in _overruled(meant, changed):
        raise UsageError(
            f'the options change {path}, which each {what} run sets itself: leave it out'
        )
    lines = [f'{key} = {pformat(value, sort_dicts=False)}' for key, value in changed.items()]
    title = f'"""{Path(config).stem} with {name}, one of several {what} runs to compare."""'
    base = f'_base_ = [{str(Path(config).resolve())!r}]'
    settings = '\n'.join([base, *lines, ''])
    leaf = work_dirs / f'{name}-seed{seed}.py'
    if leaf.is_file():
        # the title is for the reader, and no setting
        if leaf.read_text().partition('\n\n')[2] != settings:
            raise UsageError(f'{leaf} was trained with other settings: name another --work-dirs')
        return leaf
    work_dirs.mkdir(parents=True, exist_ok=True)
    leaf.write_text(f'{title}\n\n{settings}')
    return leaf


def describe_batch(config: str, options: dict) -> str | None:
    """Says that one process makes another batch than a leaf is for.

    Args:
        config: The leaf; its name says for how many GPUs it is, as ``3xb6`` does.
        options: What changes it, ``optim_wrapper.accumulative_counts`` for one.

    Returns:
        A line; None where the batch is the same, or the name says nothing.
    """
    named = NAMED_GPUS.search(Path(config).name)
    if not named:
        return None
    meant, _ = read_setup(load_config(config))
    here, _ = read_setup(load_config(config, options), gpus=1)
    if here.total == meant.total:
        return None
    return (
        f'{named[0].strip("_-")} makes steps of {meant.total} images, one process here of '
        f'{here.total}: tools/analysis_tools/schedule.py {config} --gpus 1 prints what keeps them, '
        '--cfg-options optim_wrapper.accumulative_counts for one'
    )


def is_finished(leaf: Path, work_dir: Path) -> bool:
    """Whether a run has its last validation."""
    validations, cfg = read_validations(work_dir), load_config(str(leaf))
    unit = 'epoch' if is_by_epoch(cfg) else 'iter'
    return bool(validations) and validations[-1][unit] >= cfg.train_cfg[f'max_{unit}s']


def print_scores(result: dict) -> None:
    """Prints the last mIoU of each variant and seed of ``train_all``, and the variants' means."""
    seeds = list(next(iter(result['scores'].values())))
    table = Table('mIoU', title=f'{Path(result["config"]).stem}, {result["device"]}')
    for heading in (*(f'seed {seed}' for seed in seeds), 'mean'):
        table.add_column(heading, justify='right')
    for name, scores in result['scores'].items():
        values = *scores.values(), mean(scores.values())
        table.add_row(name, *(f'{value:.2f}' for value in values))
    Console().print(table)


def _for_a_file(options: dict, changed: Config, config: str) -> dict:
    """The options with whole lists, as a config file cannot reach into one that it inherits."""
    settings = {}
    for key, value in options.items():
        path = re.split(r'\.\d+(?:\.|$)', key)[0]
        if path == key or _find(changed, path) is not None:
            settings[key] = value
        else:
            settings[path] = _find(load_config(config, options), path)
    return settings


def _find(node: Mapping | None, path: str):
    for key in path.split('.'):
        node = (node or {}).get(key)
    return node


def _overruled(meant: Mapping, found: Mapping, prefix: str = '') -> Iterator[str]:
    """Yields the dotted paths of the settings that are not what was meant."""
    for key, value in meant.items():
        other = found.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _overruled(value, other, f'{prefix}{key}.')
        elif other != value:
            yield f'{prefix}{key}'


def _brief(validation: dict) -> dict:
    return dict(epoch=validation['epoch'], iter=validation['iter'], **validation['metrics'])
