"""The config and the checkpoint of a run's folder."""

from pathlib import Path

from mmseg_ext.engine.checkpoint.files import find_fault, find_newest_whole
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.history import read_metrics


def find_run_files(folder: Path) -> tuple[Path, Path]:
    """Finds the resolved config of a run and its best checkpoint, else the newest, that is whole.

    Args:
        folder: The run's folder.

    Raises:
        UsageError: There is no such folder, or it lacks a config or a whole checkpoint.
    """
    return find_config(folder), _find_checkpoint(folder)


def find_config(folder: Path) -> Path:
    """Finds the config that a run itself wrote; of several that of metrics.json, or the newest.

    Raises:
        UsageError: There is none, or no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f'there is no folder {folder}; a run is in work_dirs/NAME_OF_CONFIG')
    named = Path(read_metrics(folder).get('config') or 'none').name
    if named.endswith('.py') and (folder / named).is_file():
        return folder / named
    for pattern in ('*.py', '*/vis_data/config.py'):
        found = [path for path in folder.glob(pattern) if path.is_file()]
        if found:
            return max(found, key=lambda path: path.stat().st_mtime_ns)
    raise UsageError(
        f"{folder} is no run's folder: it holds no config (*.py); give CONFIG CHECKPOINT instead"
    )


def _find_checkpoint(folder: Path) -> Path:
    for pattern in ('best_mIoU*.pth', 'best_*.pth'):
        newest_first = sorted(
            folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns, reverse=True
        )
        for path in newest_first:
            if find_fault(path) is None:
                return path
    try:
        newest, _ = find_newest_whole(str(folder))
    except UsageError:  # it speaks of a resume
        newest = None
    if newest is None:
        torn = ', '.join(sorted(path.name for path in folder.glob('*.pth')))
        what = f'no whole checkpoint: {torn} are torn' if torn else 'no checkpoint yet (*.pth)'
        raise UsageError(f'{folder} holds {what}; give CONFIG CHECKPOINT instead')
    return newest
