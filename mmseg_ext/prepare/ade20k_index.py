"""The index file of ADE20K_2021_17_01, read without running anything in it."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.engine.errors import UsageError


class _Type:
    """Stands for ``np.dtype``: remembers its code alone."""

    def __init__(self, code: Any, *options: Any) -> None:
        self.code = str(code)

    def __setstate__(self, state: tuple) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == '>':
            self.code = f'>{self.code}'


class _Array:
    """Stands for ``np.ndarray``: keeps texts, as a list, and drops numbers.

    The counts per image in the real file, two float arrays of 3,688 x 27,574, are not needed.
    """

    values: list | None = None

    def __setstate__(self, state: tuple) -> None:
        code, content = state[2].code, state[4]
        if isinstance(content, list):  # an array of objects
            self.values = content
        elif re.fullmatch(r'>?U\d+', code):
            self.values = np.frombuffer(content, code).tolist()


def _make_array(*description: Any) -> _Array:
    return _Array()


def _drop(*content: Any) -> None:
    return None


def _encode(text: str, encoding: str = 'latin1') -> bytes:
    """How Python's older pickle protocols write bytes."""
    return str(text).encode('latin1')


# NumPy 1 and 2 name the makers differently
_STAND_INS = {
    'numpy.dtype': _Type,
    'numpy.ndarray': _Array,
    '_codecs.encode': _encode,
    **{
        f'numpy.{core}.{name}': maker
        for core in ('core', '_core')
        for name, maker in (
            ('multiarray._reconstruct', _make_array),
            ('multiarray.scalar', _drop),
            ('numeric._frombuffer', _drop),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    """Knows the stand-ins above and nothing else."""

    def find_class(self, module: str, name: str) -> Callable:
        try:
            return _STAND_INS[f'{module}.{name}']
        except KeyError:
            raise pickle.UnpicklingError(f'it needs {module}.{name}, which is no data') from None


def read_index(file: Path) -> dict[str, list[str]]:
    """Reads the file names and object names of ``index_ade20k.pkl`` (817,537,016 bytes).

    Its layout: https://github.com/CSAILVision/ADE20K, notebooks/ade20k_starter.ipynb.

    Args:
        file: The index file.

    Returns:
        ``filename``, one an image, and ``objectnames``: the object whose index in the ``_seg.png``
        files is ``i`` has the name ``objectnames[i - 1]``.

    Raises:
        UsageError: There is none, it is cut off, it is another file, or it would run code.
    """
    if not file.is_file():
        raise UsageError(f'there is no {file}; it is part of ADE20K_2021_17_01, unpack that again')
    try:
        with file.open('rb') as handle:
            content = _Unpickler(handle).load()
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes can fail anywhere in the unpickler
        raise UsageError(
            f'{file} does not read as an index of names and numbers ({error or "cut off"}); '
            'unpack ADE20K_2021_17_01 again'
        ) from error
    return {key: _texts(file, content, key) for key in ('filename', 'objectnames')}


def _texts(file: Path, content: Any, key: str) -> list[str]:
    values = content.get(key) if isinstance(content, dict) else None
    values = values.values if isinstance(values, _Array) else values
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UsageError(f'{file} holds no list of texts {key!r}: it is no index of ADE20K')
    return values
