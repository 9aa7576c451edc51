"""Archives, unpacked whole or not at all, and never outside their folder."""

import gzip
import posixpath
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmseg_ext.engine.errors import UsageError

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)

Member = tuple[str, int, Callable[[], IO[bytes]]]


def unpack(
    archive: Path, inner: str, target: Path, progress: Callable[[int], None] = lambda size: None
) -> int:
    """Unpacks one folder of an archive; it appears under its name only when it is whole.

    Files and folders alone are made, with the rights of new files: nothing else that an archive
    can hold (links, devices, owners) is wanted in a data set.

    Args:
        archive: .zip, .tar or a compressed .tar.
        inner: The folder in it.
        target: What that folder becomes; must not exist.
        progress: Called with the size of each file that is written.

    Returns:
        How many files there are.

    Raises:
        UsageError: The archive does not read, has no such folder, or holds a link, or a name that
            leads out of it; or the disk is full.
    """
    fresh = target.with_name(f'.{target.name}.unpacking')
    if fresh.exists():  # of a run that was killed; the caller sees to it that no other is at work
        shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    number = 0
    try:
        with members(archive, inner) as found:
            for name, size, open_member in found:
                place = fresh / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with open_member() as source, place.open('wb') as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                progress(size)
                number += 1
        if not number:
            raise UsageError(f'{archive} has no folder {inner}')
        fresh.rename(target)
    except OSError as error:
        raise UsageError(f'{archive} could not be unpacked to {target}: {error}') from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return number


@contextmanager
def members(archive: Path, inner: str) -> Iterator[Iterator[Member]]:
    """Gives the files below a folder of an archive: name below it, size, and how to open it.

    Raises ``UsageError`` if the archive does not read, or a member must not be unpacked.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield _zip_members(file, archive, inner)
        else:
            with tarfile.open(archive) as file:
                yield _tar_members(file, archive, inner)
    except _DAMAGED as error:
        raise UsageError(f'{archive} does not read: {error}; download it again') from error


def _zip_members(file: zipfile.ZipFile, archive: Path, inner: str) -> Iterator[Member]:
    for info in file.infolist():
        # the upper half are the rights of Unix; 0o12 is a link
        if info.external_attr >> 28 == 0o12:
            raise _unsafe(archive, info.filename, 'is a link')
        name = _below(info.filename, archive, inner)
        if name and not info.is_dir():
            yield name, info.file_size, lambda info=info: file.open(info)


def _tar_members(file: tarfile.TarFile, archive: Path, inner: str) -> Iterator[Member]:
    for info in file:
        if not (info.isfile() or info.isdir()):
            raise _unsafe(archive, info.name, 'is neither file nor folder')
        name = _below(info.name, archive, inner)
        if name and info.isfile():
            yield name, info.size, lambda info=info: file.extractfile(info)


def _below(name: str, archive: Path, inner: str) -> str | None:
    """The name below the wanted folder; None if it is not below it."""
    plain = posixpath.normpath(name.replace('\\', '/'))
    if plain.startswith(('/', '../')) or plain == '..' or ':' in plain.split('/')[0]:
        raise _unsafe(archive, name, 'leads out of it')
    return plain.removeprefix(f'{inner}/') if plain.startswith(f'{inner}/') else None


def _unsafe(archive: Path, name: str, what: str) -> UsageError:
    return UsageError(f'{archive}: {name} {what}; this is no archive of a data set')
