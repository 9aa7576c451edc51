"""Files that are never seen half-written."""

import errno
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmseg_ext.engine.errors import UsageError, found_by_all


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` that takes its place if the block ends well.

    Args:
        path: File to write or to replace.
        durable: Wait until the disk has it, so that a power cut right after loses nothing.

    Raises:
        OSError: What the block raises, with ``path`` as its file where it names none.
    """
    part = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        yield part
        if durable:
            _sync(part)
        os.replace(part, path)
        if durable:
            try:
                _sync(path.parent)
            except OSError as error:
                # mounted object stores have no folders to sync
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                    raise
    except OSError as error:
        # a write to an open file that the disk has no room for does not say which
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_remains(folder: Path) -> None:
    """Removes what a kill left of ``replacing`` in a folder that nobody else writes to."""
    for path in folder.glob('.*'):
        if re.fullmatch(r'\.\d+\..+', path.name):
            path.unlink(missing_ok=True)


def write_json(path: Path, content: dict) -> None:
    """Writes JSON that every reader accepts: nan, which JSON does not have, becomes null."""
    with replacing(path, durable=True) as part:
        part.write_text(json.dumps(_without_nan(content), indent=1) + '\n')


def read_json(path: Path) -> dict:
    """Reads a file of ``write_json``; empty where there is none.

    One that a power cut or a full disk left empty or torn counts as none, with a warning, so that
    a run can be resumed over it.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are such
        problem = str(error)
    else:
        if isinstance(content, dict):
            return content
        problem = 'it holds no dict'
    from mmengine.logging import print_log  # brings torch, which converters do without

    print_log(f'{path} is no whole JSON ({problem}): taken as empty', 'current', logging.WARNING)
    return {}


def short_path(path: Path) -> Path:
    """The path as the user would type it in the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def make_folder(path: Path) -> None:
    """Makes a folder for results, and those above it, unless it is there.

    Raises:
        UsageError: The system refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise found_by_all(f'{path}: no folder can be made here: {error.strerror}') from error


def check_output(path: Path | None, pictures: Sequence[str] = ()) -> None:
    """Refuses a path that cannot be written, before the work whose result it takes.

    Args:
        path: File to write or to replace; None: nothing is to be written.
        pictures: Of a picture, the suffixes of which its name has to have one.

    Raises:
        UsageError: Its folder is not there, it is a folder itself, or has another suffix.
    """
    if path is None:
        return
    if not path.resolve().parent.is_dir():
        raise UsageError(f'there is no folder {path.parent}; make it first')
    if path.is_dir():
        raise UsageError(f'{path} is a folder; name a file')
    if pictures and path.suffix.lower() not in pictures:
        raise UsageError(f'{path}: the name of a picture ends in {", ".join(pictures)}')


def _without_nan(node):
    if hasattr(node, 'item'):  # a scalar of NumPy or torch
        node = node.item()
    if isinstance(node, dict):
        return {key: _without_nan(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_without_nan(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
