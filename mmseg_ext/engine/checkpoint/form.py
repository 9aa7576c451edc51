"""The outer form of a checkpoint file, judged without unpickling anything."""

import importlib.util
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

# what torch.save wrote before torch 1.6 begins with this number, pickled
LEGACY_MAGIC = bytes.fromhex('6cfc9c46f9206aa85019')


def check_checkpoint_file(key: str, file: str | Path) -> str:
    """Returns the form of a checkpoint: what wrote it, and how to read it.

    Args:
        key: Where the file is named, for messages.
        file: Its path.

    Returns:
        ``zip`` (torch >= 1.6), ``legacy`` (0.4 to 1.5), ``tar`` (before 0.4), ``script``
        (TorchScript) or ``safetensors``.

    Raises:
        UsageError: There is no such file, or it is none of these, or it is torn. A torn legacy file
            shows only when it is read.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        near = sorted(path.parent.glob('*.pth'))[-3:] if path.parent.is_dir() else []
        there = f'; there are {", ".join(str(n) for n in near)}' if near else ''
        raise UsageError(f'{key}: no checkpoint at {file}{there}')
    form = _find_form(path)
    if form is None:
        size = path.stat().st_size
        raise UsageError(
            f'{key}: {file} ({size:,} bytes) is no PyTorch checkpoint, or was cut off while it was '
            'written; take another epoch, or download it again'
        )
    if form == 'safetensors' and not importlib.util.find_spec('safetensors'):
        raise UsageError(f'{key}: {file} needs safetensors: pip install safetensors')
    return form


def _find_form(path: Path) -> str | None:
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = {Path(member).name for member in archive.namelist()}
        except zipfile.BadZipFile:  # a damaged table of contents
            return None
        if 'data.pkl' not in names:
            return None
        return 'script' if 'constants.pkl' in names else 'zip'
    with path.open('rb') as handle:
        head = handle.read(16)
    if head[:1] == pickle.PROTO and LEGACY_MAGIC in head:
        return 'legacy'
    if head[8:9] == b'{':
        return 'safetensors' if _is_whole_safetensors(path) else None
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            return 'tar' if 'pickle' in archive.getnames() else None
    return None


def _is_whole_safetensors(path: Path) -> bool:
    """Whether 8 bytes of header length, a JSON header and all the data that it names are there."""
    size = path.stat().st_size
    with path.open('rb') as handle:
        (length,) = struct.unpack('<Q', handle.read(8))
        if 8 + length > size:
            return False
        try:
            header = json.loads(handle.read(length))
        except ValueError:
            return False
    ends = [entry['data_offsets'][1] for entry in header.values() if 'data_offsets' in entry]
    return 8 + length + max(ends, default=0) == size
