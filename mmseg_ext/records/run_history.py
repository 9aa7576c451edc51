"""All that curves need to know about a run, of ours or of stock MMSegmentation."""

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path

from mmseg_ext.engine.class_names import find_classes
from mmseg_ext.engine.errors import UsageError

from .history import read_scalars, read_validations
from .stock_logs import SCALARS, read_stock_validations


@dataclasses.dataclass(frozen=True)
class RunHistory:
    """What a run logged.

    Attributes:
        name: What to call it.
        scalars: Of ``read_scalars``: one dict a logged step of training.
        validations: As ``MetricsFileHook`` describes them, with the same keys for stock runs.
    """

    name: str
    scalars: list[dict]
    validations: list[dict]

    @property
    def scored(self) -> list[dict]:
        """The validations that have a finite mIoU."""
        return [entry for entry in self.validations if is_number(entry['metrics'].get('mIoU'))]

    @property
    def classes(self) -> list[str]:
        """Names of the classes that have an IoU, in the order of the data set."""
        tables = [entry['per_class'].get('IoU', {}) for entry in self.validations]
        return list(dict.fromkeys(name for table in tables for name in table))

    @property
    def epoch_length(self) -> int | None:
        """Iterations of an epoch; None in a run by iterations, or before a validation."""
        entries = [entry for entry in self.validations if entry['epoch']]
        lengths = {entry['iter'] / entry['epoch'] for entry in entries}
        return int(lengths.pop()) if len(lengths) == 1 else None

    def choose(self, names: Sequence[str] | None) -> list[str]:
        """Checks names of classes; without any, gives all.

        Raises:
            UsageError: The run has no such class, or no values per class at all.
        """
        if not names:
            return self.classes
        if not self.classes:
            raise UsageError(
                f'{self.name} has no IoU per class, neither in metrics.json nor in its log'
            )
        return [self.classes[place] for place in find_classes(names, self.classes, self.name)]


def read_run(work_dir: Path) -> RunHistory:
    """Reads what a run logged so far.

    Args:
        work_dir: The run's folder.

    Raises:
        UsageError: There is no such folder, it is no run's, or nothing was logged yet.
    """
    if not work_dir.is_dir():
        if work_dir.exists():
            raise UsageError(f'{work_dir} is a file; name the folder of a run, its work_dir')
        raise UsageError(f'there is no folder {work_dir}; a run is in work_dirs/NAME_OF_CONFIG')
    run = gather_run(work_dir)
    if not run.scalars and not run.validations:
        logs = list(work_dir.glob(f'*/{SCALARS}'))
        if not logs:
            raise UsageError(f'{work_dir} holds no TIME/{SCALARS}{_hint(work_dir)}')
        raise UsageError(
            f'{work_dir} has logged nothing yet: no line in its {len(logs)} {SCALARS} is whole and '
            'has a loss; the first comes after default_hooks.logger.interval steps'
        )
    return run


def read_runs(work_dirs: Sequence[Path]) -> list[RunHistory]:
    """Reads runs as ``read_run``; those of one name are named by the part of the path that differs.

    Raises:
        UsageError: As ``read_run``; or a run is named twice.
    """
    runs = [read_run(folder) for folder in work_dirs]
    if len({run.name for run in runs}) == len(runs):
        return runs
    paths = [str(folder.resolve()) for folder in work_dirs]
    if len(set(paths)) < len(paths):
        raise UsageError('a run is named twice')
    common = os.path.commonpath(paths)
    return [
        dataclasses.replace(run, name=os.path.relpath(path, common))
        for run, path in zip(runs, paths, strict=True)
    ]


def gather_run(work_dir: Path) -> RunHistory:
    """Reads what a run logged so far, nothing included."""
    validations = read_validations(work_dir) or read_stock_validations(work_dir)
    return RunHistory(work_dir.resolve().name, read_scalars(work_dir), validations)


def is_number(value) -> bool:
    """Whether this is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _hint(folder: Path) -> str:
    if (folder / SCALARS).is_file() or (folder / 'scalars.json').is_file():
        run = folder.resolve().parents[folder.name == 'vis_data']
        return f'; it is one start of a run: name {run}'
    if any(folder.glob('*.log.json')):
        return ': its logs are of MMSegmentation 0.x, which are not read'
    runs = sorted({file.parents[2].name for file in folder.glob(f'*/*/{SCALARS}')})
    if runs:
        return f'; it holds runs: name {folder / runs[0]}' + (' or another' if runs[1:] else '')
    return ': it is no folder of a run, or the run has not begun'
