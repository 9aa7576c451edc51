"""Files to arrays, or to an error that names the file: what the loaders share."""

import io
from collections.abc import Callable

import mmcv
import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_ext.engine.errors import UsageError, one_line

AGAIN = 'unpack or download it again'
# how whole files of the two common formats begin and end
ENDS = {b'\xff\xd8\xff': b'\xff\xd9', b'\x89PNG\r\n\x1a\n': b'IEND\xaeB`\x82'}


def read_bytes(path: str, get: Callable[[str], bytes]) -> bytes:
    """Reads a file.

    Args:
        path: The file.
        get: Reads it.

    Raises:
        UsageError: It is missing, closed to us or empty.
    """
    try:
        data = get(path)
    except FileNotFoundError as error:
        raise UsageError(
            f'{path} does not exist; check the list and data_prefix, or put it there'
        ) from error
    except OSError as error:
        raise UsageError(f'{path} does not read: {error.strerror or one_line(error)}') from error
    if not data:
        raise UsageError(f'{path} is empty, 0 bytes; {AGAIN}')
    return data


def decode(path: str, data: bytes, color_type: str, backend: str | None) -> np.ndarray:
    """Decodes an image as mmcv does, if it is whole.

    Args:
        path: The file, for messages.
        data: Its bytes.
        color_type: Flag of ``mmcv.imfrombytes``.
        backend: The same.

    Returns:
        (H, W) or (H, W, C).

    Raises:
        UsageError: It is cut off, damaged or no image.
    """
    try:
        _check_end(data)
        image = mmcv.imfrombytes(data, flag=color_type, backend=backend)
    except UnidentifiedImageError:
        image = None
    # decoders raise nearly anything on a damaged file
    except Exception as error:
        raise UsageError(f'{path} does not decode: {one_line(error)}; {AGAIN}') from error
    if image is None:
        raise UsageError(f'{path} does not decode: it is damaged or no image; {AGAIN}')
    return image


def _check_end(data: bytes) -> None:
    """Decodes a JPEG or PNG that lacks its end by Pillow, which raises if pixels are missing.

    OpenCV up to 4.10 fills what is missing of a JPEG with one colour and goes on. Some cameras put
    more after the end of a whole one, so that its last bytes alone do not tell.
    """
    for begin, end in ENDS.items():
        if data.startswith(begin) and not data.endswith(end):
            Image.open(io.BytesIO(data)).load()
