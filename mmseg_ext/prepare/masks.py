"""Label PNGs: palette pictures of one byte a pixel."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

# what makes labels of other masks
RECODE = 'tools/dataset_converters/recode.py makes labels of colours and other values'
# by Pillow's name for the kind of pixel
WAYS_OUT = {
    'RGB': 'colours instead of labels: give each pixel the index of its colour',
    'RGBA': 'colours instead of labels: give each pixel the index of its colour',
    'LA': 'labels and alpha: save the first channel alone',
    'I;16': 'its labels are taken modulo 256: save them as 8 bit',
    'I': 'its labels are taken modulo 256: save them as 8 bit',
}

IEND = b'\0\0\0\0IEND\xaeB`\x82'  # the chunk that ends every PNG


def way_out(mode: str) -> str:
    """What is wrong with masks of a mode of Pillow's, and what to do."""
    return WAYS_OUT.get(mode, 'save the labels as one byte a pixel')


def write_mask(path: Path, labels: np.ndarray, palette: np.ndarray) -> None:
    """Writes labels as a palette PNG, whole or not at all.

    Args:
        path: File to write.
        labels: (H, W), uint8.
        palette: (256, 3), uint8, RGB.
    """
    picture = Image.fromarray(labels)
    picture.putpalette(palette.tobytes())
    with replacing(path) as part:
        # label maps are runs of one value: looking for these alone takes a third of the time that
        # Pillow's default takes, for files of the same size
        picture.save(part, 'PNG', compress_type=zlib.Z_RLE)


def read_mask(path: Path) -> np.ndarray:
    """Reads the labels of a palette or grey PNG, (H, W).

    Raises:
        UsageError: It does not read, or holds colours in place of labels.
    """
    try:
        with Image.open(path) as picture:
            mode, labels = picture.mode, np.array(picture)
    except Exception as error:  # Pillow raises nearly anything on a file that was cut off
        raise UsageError(f'{path} does not read: {error}') from error
    if mode not in ('L', 'P'):
        raise UsageError(f'{path} holds {mode} pixels, no labels of one byte; {RECODE}')
    return labels


def is_whole_png(path: Path) -> bool:
    """Whether a PNG is there and has its end; other tools leave half a file when killed."""
    if not path.is_file():
        return False
    with path.open('rb') as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(IEND)))
        return file.read() == IEND
