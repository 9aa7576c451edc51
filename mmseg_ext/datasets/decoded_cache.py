"""Decoded images and masks on the disk, from which a crop reads only its own pages."""

import fcntl
import hashlib
import logging
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from mmseg_ext.engine.errors import UsageError, is_local_main
from mmseg_ext.records.files import remove_remains, replacing

# mark and version, size and time of the source, shape; then the pixels
HEADER = struct.Struct('<8sQqIII')
MARK = b'mmsegu81'
OFFSET = 64
KINDS = ('image', 'mask')
# a file that says how many bytes the entries have; empty while a process changes them
TOTAL = 'total'


class DecodedCache:
    """A folder of decoded files, one entry each, which several processes fill at once.

    An entry is uint8 behind a header of 64 bytes and is opened by ``mmap``, read-only: transforms
    that write in place fail on it. Its name comes from the source's absolute path and the settings;
    its header says the source's size and time of change. So a changed source is decoded again, in
    its old entry's place; entries of sources that are gone stay until the folder is deleted.

    When ``max_gb`` is reached, nothing more is stored: a shuffled epoch asks for each file once, so
    that making room would throw out what is needed next. A process that stores holds a lock, writes
    under a temporary name and renames; one that is killed leaves no entry that is cut off, and the
    next one removes its remains. Entries are not forced to the disk: after a power cut, delete the
    folder.

    Args:
        dir: The folder; made when the first file is stored.
        max_gb: Most that it may hold, in 10^9 bytes; greater than 0.
        kind: ``image`` or ``mask``, the ending of the entries.
        settings: How files are decoded; each way has entries of its own.

    Raises:
        ValueError: ``max_gb`` is not greater than 0.
    """

    def __init__(self, dir: str, max_gb: float, kind: str, settings: str = '') -> None:
        if not max_gb > 0:
            raise ValueError(f'max_gb={max_gb} of the cache has to be greater than 0')
        self.dir = Path(dir)
        self.max_gb = max_gb
        self.kind = kind
        self.settings = settings
        self.stores = True

    def get(self, path: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Gives a file's pixels, from the cache or decoded and then stored.

        Args:
            path: The file.
            decode: Decodes it.

        Returns:
            (H, W) or (H, W, C); read-only.

        Raises:
            UsageError: It is remote; or what ``decode`` raises.
        """
        if '://' in str(path):
            raise UsageError(f'{path} is remote; the cache {self.dir} keeps files of this machine')
        try:
            source = os.stat(path)
        except OSError:
            return decode()  # which says what is wrong
        stamp = source.st_size, source.st_mtime_ns
        entry = self._entry(path)
        array = _read(entry, stamp)
        if array is None:
            array = decode()
            if self.stores:
                self._store(path, entry, stamp, array)
            # as the next time: a transform that writes to it fails at the first sample
            array.setflags(write=False)
        return array

    def _entry(self, path: str) -> Path:
        key = f'{os.path.abspath(path)}\0{self.kind} {self.settings}'.encode(
            errors='surrogateescape'
        )
        return self.dir / f'{hashlib.blake2b(key, digest_size=16).hexdigest()}.{self.kind}'

    def _store(self, path: str, entry: Path, stamp: tuple[int, int], array: np.ndarray) -> None:
        if array.dtype != np.uint8:
            self._end(f'{path} is {array.dtype}; the cache {self.dir} keeps uint8 only')
            return
        try:
            with self._locked() as folder:
                added = OFFSET + array.nbytes - (entry.stat().st_size if entry.exists() else 0)
                if folder.total + added > 1e9 * self.max_gb:
                    folder.recount()  # entries may have been deleted by hand
                if folder.total + added > 1e9 * self.max_gb:
                    self._end(self._describe_full())
                    return
                with folder.changing(added):
                    _write(entry, stamp, array)
        except OSError as error:
            self._end(f'the cache {self.dir} takes no more files: {error.strerror or error}')

    @contextmanager
    def _locked(self) -> Iterator['_Folder']:
        self.dir.mkdir(parents=True, exist_ok=True)
        with open(self.dir / TOTAL, 'a+b') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _Folder(self.dir, file)

    def _describe_full(self) -> str:
        number = sum(1 for _ in self.dir.glob(f'*.{self.kind}'))
        said = f'the cache {self.dir} is full: max_gb={self.max_gb} holds {number} {self.kind}s'
        worker = get_worker_info()
        if worker is None:
            return said
        length = len(worker.dataset)
        return f'{said}, {min(number / length, 1):.0%} of the {length} of this data set'

    def _end(self, why: str) -> None:
        """Stores nothing more in this process."""
        self.stores = False
        worker = get_worker_info()
        # every worker comes to the same end, and one of them says it
        if is_local_main() and (worker is None or worker.id == 0):
            print_log(f'{why}; what it lacks is decoded at each load', 'current', logging.WARNING)

    def __repr__(self) -> str:
        return f"dict(dir='{self.dir}', max_gb={self.max_gb})"


class _Folder:
    """The folder of a cache while this process has its lock."""

    def __init__(self, dir: Path, file: BinaryIO) -> None:
        self.dir = dir
        self.file = file
        file.seek(0)
        text = file.read()
        if text.isdigit():
            self.total = int(text)
        else:
            self.recount()

    def recount(self) -> None:
        """Measures the entries, and removes what killed processes left."""
        remove_remains(self.dir)
        entries = (entry for kind in KINDS for entry in self.dir.glob(f'*.{kind}'))
        self._write(sum(entry.stat().st_size for entry in entries))

    @contextmanager
    def changing(self, added: int) -> Iterator[None]:
        """Counts what the block adds; one that does not end well is followed by a recount."""
        self.file.truncate(0)
        yield
        self._write(self.total + added)

    def _write(self, total: int) -> None:
        self.file.truncate(0)
        self.file.write(b'%d' % total)
        self.file.flush()
        self.total = total


def _read(entry: Path, stamp: tuple[int, int]) -> np.ndarray | None:
    """Maps an entry; None if there is none of that source, or it is no whole one."""
    try:
        handle = os.open(entry, os.O_RDONLY)
    except OSError:
        return None
    try:
        mapped = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    finally:
        os.close(handle)
    if len(mapped) < OFFSET:
        return None
    mark, size, time, height, width, channels = HEADER.unpack_from(mapped)
    if mark != MARK or (size, time) != stamp:
        return None
    if len(mapped) != OFFSET + height * width * max(channels, 1):
        return None
    shape = (height, width, channels) if channels else (height, width)
    return np.frombuffer(mapped, np.uint8, offset=OFFSET).reshape(shape)


def _write(entry: Path, stamp: tuple[int, int], array: np.ndarray) -> None:
    height, width, channels = (*array.shape, 0)[:3]
    header = HEADER.pack(MARK, *stamp, height, width, channels)
    with replacing(entry) as part, part.open('wb') as file:
        file.write(header.ljust(OFFSET, b'\0'))
        file.write(np.ascontiguousarray(array).data)
