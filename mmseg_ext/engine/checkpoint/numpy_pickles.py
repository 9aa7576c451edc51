"""NumPy's numbers in checkpoints, without the powers that NumPy's own classes give to a file.

``np.ndarray``, called by a pickle, takes bytes for pointers; ``np.dtype`` describes such arrays;
both leave memory to look into. Stand-ins under their names make arrays of numbers alone.
"""

import argparse
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

CODES = {
    np.dtype(code).str[1:]
    for code in '?' + np.typecodes['AllInteger'] + np.typecodes['AllFloat']
}  # fmt: skip
_scalar = np.float64(0).__reduce__()[0]


class NumberType:
    """Stands for ``np.dtype``: a number, of either byte order.

    Raises:
        UnpicklingError: It is told of anything else.
    """

    __hash__ = None

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or code not in CODES:
            raise UnpicklingError('GLOBAL numpy.dtype')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        _, order, *parts = state[:5]
        # a base, names, fields: a structure, which may hold pointers
        if order not in ('<', '>', '|', '=') or any(part is not None for part in parts):
            raise UnpicklingError('GLOBAL numpy.dtype')
        self.value = self.value.newbyteorder(order)


class Array:
    """Stands for ``np.ndarray``: no pickle calls it, but ``reconstruct`` makes one to be filled."""

    __hash__ = None

    def __init__(self, *args: Any, **options: Any) -> None:
        raise UnpicklingError('GLOBAL numpy.ndarray')

    def __setstate__(self, state: tuple) -> None:
        version, shape, number, is_fortran, content = state
        array = np.zeros(0, 'b')
        # NumPy checks the shape against the number of bytes
        array.__setstate__((version, shape, _known(number), is_fortran, content))
        self.value = array


def reconstruct(kind: type, shape: tuple, code: bytes) -> Array:
    """The empty array that a pickle fills next."""
    if kind is not Array:
        raise UnpicklingError('GLOBAL numpy.ndarray')
    return Array.__new__(Array)


def scalar(number: NumberType, content: bytes) -> np.generic:
    """One number."""
    if not isinstance(content, bytes):
        raise UnpicklingError('GLOBAL numpy.dtype')
    return _scalar(_known(number), content)


def empty_bytes(*content: Any) -> bytes:
    """Stands for ``bytes``, which a pickle calls for the content of an empty array, and for that.

    Called with a number, it would take that much memory.
    """
    if content:
        raise UnpicklingError('GLOBAL builtins.bytes')
    return b''


def _known(number: Any) -> np.dtype:
    if not isinstance(number, NumberType):
        raise UnpicklingError('GLOBAL numpy.dtype')
    return number.value


# NumPy 1 and 2 name the makers differently
STAND_INS = [
    (Array, 'numpy.ndarray'),
    (NumberType, 'numpy.dtype'),
    (empty_bytes, 'builtins.bytes'),
    *(
        (maker, f'numpy.{core}.multiarray.{name}')
        for core in ('core', '_core')
        for name, maker in (('_reconstruct', reconstruct), ('scalar', scalar))
    ),
]


def unwrap(content: Any, done: dict[int, tuple] | None = None) -> Any:
    """Puts the arrays and dtypes themselves where their stand-ins are, in place.

    Args:
        content: What the unpickler made.
        done: By id what was met, to keep it alive, and what became of it.
    """
    done = {} if done is None else done
    if id(content) in done:
        return done[id(content)][1]
    done[id(content)] = content, content
    result = content
    if isinstance(content, (Array, NumberType)):
        result = content.value
    elif type(content) is tuple:
        result = tuple(unwrap(item, done) for item in content)
    elif isinstance(content, list):
        content[:] = [unwrap(item, done) for item in content]
    elif isinstance(content, dict):
        for key, value in content.items():
            content[key] = unwrap(value, done)
    # an OrderedDict of weights has attributes too
    if isinstance(content, (dict, HistoryBuffer, argparse.Namespace, torch.Tensor)):
        unwrap(getattr(content, '__dict__', None), done)
    done[id(content)] = content, result
    return result
