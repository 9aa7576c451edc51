"""Checkpoint files that are whole or not there, and finding the newest whole one."""

import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.runner import find_latest_checkpoint

from mmseg_ext.records.checksums import sha256
from mmseg_ext.records.files import replacing

from ..errors import UsageError

POINTER = 'last_checkpoint'  # MMEngine's name: a file that holds the newest checkpoint's path
# Files that a run can go on from; best_*.pth and published ones lack the optimizer.
RESUMABLE = r'(epoch|iter|interrupted_iter)_\d+\.pth'


def sum_file(checkpoint: Path) -> Path:
    """Where a checkpoint's checksum is kept, in the format of ``sha256sum``."""
    return checkpoint.with_name(f'{checkpoint.name}.sha256')


@contextmanager
def writing_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary path; at the end it is on the disk under its name, with its checksum.

    ``sha256sum -c NAME.sha256`` checks it. Whatever cuts this off, a file called ``path`` is whole:
    the old one, the new one without checksum, or the new one with it.

    Raises:
        OSError: The disk is full, say; an older file of that name is then untouched.
    """
    with replacing(path, durable=True) as part:
        yield part
        digest = sha256(part)
        # an old checksum beside the new file would call it torn
        sum_file(path).unlink(missing_ok=True)
    with replacing(sum_file(path), durable=True) as part:
        part.write_text(f'{digest}  {path.name}\n')


def find_fault(path: Path) -> str | None:
    """What is wrong with a checkpoint file, or None if it is whole. Nothing is unpickled.

    With a checksum beside it that decides. Without, as for files of stock MMEngine, the zip
    archive's own sums do; an older, not zipped file is only looked at from outside.
    """
    expected = sum_file(path).read_text().split() if sum_file(path).is_file() else []
    if expected:
        return None if expected[0] == sha256(path) else 'its checksum is another'
    if not zipfile.is_zipfile(path):
        with path.open('rb') as handle:
            # a zip archive that was cut off has lost its directory, which is at the end
            return None if handle.read(1) == pickle.PROTO else 'it was cut off'
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return str(error)
    return f'{broken} in it is damaged' if broken else None


def find_newest_whole(work_dir: str) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint that a run can go on from, and what was passed over.

    Args:
        work_dir: The run's folder. If it holds none, the folder of the file that its
            ``last_checkpoint`` names is searched (a ``CheckpointHook`` with ``out_dir``).

    Returns:
        The file, or None if there is none at all, and one line for each newer one that is torn.

    Raises:
        UsageError: There are some, but none is whole.
    """
    faults = []
    for path in _newest_first(Path(work_dir)):
        fault = find_fault(path)
        if fault is None:
            return path, [f'passed over {fault}' for fault in faults]
        faults.append(f'{path}, which is torn: {fault}')
    if faults:
        raise UsageError(
            f'--resume: no whole checkpoint in {work_dir}; there is {"; ".join(faults)}. '
            'Take one from elsewhere with --resume FILE, or start anew without --resume'
        )
    return None, []


def point_to(work_dir: str, checkpoint: Path) -> None:
    """Makes ``last_checkpoint`` name a checkpoint, as MMEngine's tools expect."""
    with replacing(Path(work_dir, POINTER), durable=True) as part:
        part.write_text(str(checkpoint))


def _newest_first(work_dir: Path) -> list[Path]:
    patterns, folders, last = [RESUMABLE], [work_dir], Path()
    if (work_dir / POINTER).is_file():
        last = Path(find_latest_checkpoint(str(work_dir)))
    if last.name:  # a power cut can leave MMEngine's pointer empty
        patterns.append(_pattern(last))
        folders.append(last.parent)
    for folder in folders:
        found = [
            path
            for path in folder.glob('*.pth')
            if any(re.fullmatch(pattern, path.name) for pattern in patterns)
        ]
        if found:
            found.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
            return _mend_order(found, folder / last.name)
    return []


def _mend_order(newest_first: list[Path], last: Path) -> list[Path]:
    """Puts the file that was saved last before earlier ones that a copy made younger."""
    if last not in newest_first:
        return newest_first
    place = newest_first.index(last)
    earlier = [
        path
        for path in newest_first[:place]
        if _pattern(path) == _pattern(last) and _number(path) < _number(last)
    ]
    ahead = [path for path in newest_first[:place] if path not in earlier]
    rest = sorted([*earlier, *newest_first[place + 1 :]], key=newest_first.index)
    return [*ahead, last, *rest]


def _pattern(path: Path) -> str:
    return re.sub(r'\d+', r'\\d+', re.escape(path.name))


def _number(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r'\d+', path.name)]
