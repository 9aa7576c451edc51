"""Fetches, unpacks and converts public data sets to where the configs expect them."""

import errno
import fcntl
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mmseg_ext.engine.errors import UsageError

from . import voc_aug
from .fetch import TIMEOUT, FetchError, fetch, verify
from .releases import RELEASES, Release
from .unpack import members, unpack

COMMAND = 'python tools/dataset_converters/download.py'

# Pictures hardly shrink in an archive; SBD's unpack to somewhat more.
UNPACKED = 1.2


def get_release(
    name: str,
    data_root: Path,
    release: Release,
    archive: Path | None = None,
    keep_archive: bool = False,
    pause: float = 1.0,
    timeout: float = TIMEOUT,
) -> bool:
    """Puts a data set in its place; what is there already, whole, is left alone.

    Killed at any moment, the next call goes on with the download, or unpacks anew.

    Args:
        name: Its name, which is that of its folder in ``data_root/downloads``.
        data_root: The folder ``data``.
        release: What and where it is.
        archive: The archive, if it was fetched by hand; it is left where it is.
        keep_archive: Keep the archive in ``downloads``; else it goes once it is unpacked.
        pause: As in ``fetch``.
        timeout: As in ``fetch``.

    Returns:
        Whether it had to be unpacked.

    Raises:
        UsageError: It cannot be downloaded (the message says how to do it by hand), the archive is
            another, the disk has no room, or half a data set is in its place.
    """
    target = data_root / release.target
    folder = data_root / 'downloads' / name
    missing = not target.exists()
    if not missing:
        faults = count_faults(target, release)
        if faults:
            raise UsageError(f'{faults[0]}; move {target} away and run this again')
        if not folder.is_dir():  # nothing to write, which a shared disk may forbid
            return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f'{folder} cannot be made: {error.strerror}; see --data-root') from error
    with _locked(folder, name):
        if missing:
            source = archive or folder / release.file
            if not source.is_file():
                if archive:
                    raise UsageError(f'there is no archive {archive}')
                _download(name, data_root, release, source, pause, timeout)
            else:
                problem = verify(source, release.size, release.checksum)
                if problem:
                    raise UsageError(f'{problem}: another file, or not whole; download it again')
            _need_room(data_root, release.size * UNPACKED)
            target.parent.mkdir(parents=True, exist_ok=True)
            with _bar(f'unpacking {release.file}', None) as update:
                unpack(source, release.inner, target, _summed(update))
        if not (archive or keep_archive):
            # also one that a run left that was killed when it had unpacked it
            (folder / release.file).unlink(missing_ok=True)
    _remove_empty(folder)
    return missing


def count_faults(target: Path, release: Release) -> list[str]:
    """Counts the files of a data set; returns a line for each kind that lacks some."""
    faults = []
    for pattern, number in release.counts.items():
        # a file that a power cut left empty is none
        found = sum(path.stat().st_size > 0 for path in target.glob(pattern))
        if found < number:
            faults.append(f'{target} has {found:,} of {number:,} {pattern}')
    return faults


def check_release(
    name: str, data_root: Path, release: Release, archive: Path | None = None
) -> list[str]:
    """Verifies a data set: the number of its files and, with the archive, that and their sizes.

    Returns:
        A line for each fault.
    """
    target = data_root / release.target
    if not target.is_dir():
        root = shlex.quote(str(data_root))
        return [f'there is no {target}; {COMMAND} {name} --data-root {root} fetches it']
    faults = count_faults(target, release)
    source = archive or data_root / 'downloads' / name / release.file
    if not source.is_file():
        return faults + ([f'there is no archive {archive}'] if archive else [])
    problem = verify(source, release.size, release.checksum)
    if problem:
        return [*faults, problem]
    with members(source, release.inner) as found:
        for below, size, _ in found:
            file = target / below
            has = file.stat().st_size if file.is_file() else None
            if has != size:
                what = 'is missing' if has is None else f'has {has:,} bytes, not {size:,}'
                faults.append(f'{file} {what}')
    return faults


def convert_sbd(data_root: Path, num_processes: int) -> str:
    """Converts SBD for training with VOC 2012 (``voc_aug``); says what it did or what it lacks."""
    devkit = data_root / 'VOCdevkit'
    sbd = data_root / RELEASES['sbd'].target
    for name, place in (('voc', devkit / 'VOC2012'), ('sbd', sbd)):
        if not place.is_dir():
            return f'{sbd} is not converted: there is no {place}; {COMMAND} {name} fetches it'
    out = devkit / 'VOC2012' / 'SegmentationClassAug'
    done = voc_aug.convert(devkit, sbd, out, num_processes)
    counts = (f'{split}.txt {len(names):,}' for split, names in done.sources.lists.items())
    return '\n'.join([*done.notes, f'{out}: {", ".join(counts)} images'])


def _download(
    name: str, data_root: Path, release: Release, file: Path, pause: float, timeout: float
) -> None:
    part = file.with_name(f'{file.name}.part')
    there = part.stat().st_size if part.is_file() else 0
    _need_room(data_root, release.size * (1 + UNPACKED) - there)
    with _bar(release.file, release.size, there) as update:
        try:
            fetch(release.urls, file, release.size, release.checksum, update, pause, timeout)
        except FetchError as error:
            raise UsageError(_by_hand(name, release, file, str(error))) from error


def _by_hand(name: str, release: Release, place: Path, reasons: str) -> str:
    kind, _, digits = release.checksum.partition(':')
    root = shlex.quote(str(place.parents[2]))
    tried = '\n'.join(f'  {reason}' for reason in reasons.splitlines())
    return f"""{name} could not be downloaded:
{tried}
Run this again to go on where it stopped; behind a proxy, set https_proxy and http_proxy first. Or by hand:
  1. download {release.file}, {release.size:,} bytes, {kind} {digits},
     from an address above or what {release.page} says now
  2. put it at {place}
  3. run {COMMAND} {name} --data-root {root}
With the file elsewhere: {COMMAND} {name} --data-root {root} --archive FILE"""  # noqa: E501


def _need_room(folder: Path, size: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UsageError(
            f'{folder} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed; make room, '
            'or name another disk with --data-root'
        )


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Keeps a second process from writing the same files; a kill opens the lock."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f'another process is fetching {name} to {folder}') from error
        except OSError as error:
            # some network file systems have no locks
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF):
                raise
        yield
    finally:
        os.close(handle)


@contextmanager
def _bar(what: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn('{task.description}'), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(what, total=total, completed=done)
        yield lambda now: progress.update(task, completed=now)


def _summed(update: Callable[[int], None]) -> Callable[[int], None]:
    done = 0

    def add(size: int) -> None:
        nonlocal done
        done += size
        update(done)

    return add


def _remove_empty(folder: Path) -> None:
    for place in (folder, folder.parent):
        if not any(place.iterdir()):
            place.rmdir()
