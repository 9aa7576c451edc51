"""One image of the full ADE20K, as the scene parsing benchmark has it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .images import read_image
from .jobs import is_written

# of the benchmark's own JPEGs, which by their quantisation tables MATLAB's imwrite wrote
QUALITY = 75
ORIENTATION = 0x0112  # EXIF's tag


@dataclass(frozen=True)
class Sample:
    """The files of one image: what the release has and what becomes of it."""

    image: Path
    seg: Path
    out_image: Path
    out_label: Path


@dataclass(frozen=True)
class Rules:
    """What is made of pixels.

    Attributes:
        table: By object index the class, uint8, 0 for other.
        max_index: Greatest object index that has a name.
        max_short_side: Images with a longer short side are reduced to it; 0 keeps all.
    """

    table: np.ndarray
    max_index: int
    max_short_side: int


def output_size(width: int, height: int, max_short_side: int) -> tuple[int, int]:
    """Width and height after the reduction of the organisers' ``convertFromADE.m``.

    The other side is rounded half up, and square images keep their size, whatever it is:
    https://github.com/CSAILVision/sceneparsing, convertFromADE/convertFromADE.m.
    """
    if not max_short_side or width == height or min(width, height) <= max_short_side:
        return width, height
    if height < width:
        return int(np.floor(width / height * max_short_side + 0.5)), max_short_side
    return max_short_side, int(np.floor(height / width * max_short_side + 0.5))


def resize_nearest(array: np.ndarray, width: int, height: int) -> np.ndarray:
    """Takes the pixel that the centre of each new one falls into, as MATLAB's ``imresize`` does.

    New row i of H comes from row floor((i + 1/2) h / H) of h, in whole numbers, so that ties do
    not depend on rounding. OpenCV's ``INTER_NEAREST``, which MMCV's ``nearest`` is, takes
    floor(i h / H) instead and differs along every edge.

    Args:
        array: (h, w).
        width: New width.
        height: New height.
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip((height, width), array.shape, strict=True)
    )
    return array[rows[:, None], columns]


def read_indices(file: Path, max_index: int) -> np.ndarray:
    """Reads the object index of each pixel from a ``_seg.png``: R // 10 * 256 + G.

    Returns:
        (H, W), int64; 0 is unlabelled.

    Raises:
        UsageError: It does not read, is no such file, or holds an index without a name.
    """
    image = read_image(file)
    red = np.asarray(image)[..., 0] if image.mode == 'RGB' else None
    if red is None or (red % 10).any():
        raise UsageError(
            f'{file}, mode {image.mode}, is no _seg.png of ADE20K: they are RGB, red in tens'
        )
    indices = red.astype(np.int64) // 10 * 256 + np.asarray(image)[..., 1]
    if indices.max() > max_index:
        raise UsageError(
            f'{file} holds object index {indices.max()}, but only {max_index} have a name; it is '
            'of another release, or damaged'
        )
    return indices


def convert_sample(sample: Sample, rules: Rules) -> dict[int, int]:
    """Writes an image and its labels, where they are not there yet.

    Returns:
        By object index the number of pixels in the release.
    """
    indices = read_indices(sample.seg, rules.max_index)
    if not is_written(sample.out_label):
        with replacing(sample.out_label) as part:
            Image.fromarray(make_label(indices, rules)).save(part, 'PNG')
    if not is_written(sample.out_image):
        _write_image(sample, indices.shape[::-1], rules.max_short_side)
    return count(indices)


def count(indices: np.ndarray) -> dict[int, int]:
    """Counts the pixels of each index."""
    counts = np.bincount(indices.ravel())
    return {int(index): int(counts[index]) for index in np.flatnonzero(counts)}


def make_label(indices: np.ndarray, rules: Rules) -> np.ndarray:
    """Turns object indices (h, w) into classes (H, W), uint8, at the size of the output."""
    height, width = indices.shape
    size = output_size(width, height, rules.max_short_side)
    return rules.table[resize_nearest(indices, *size)]


def make_image(sample: Sample, size: tuple[int, int], max_short_side: int) -> Image.Image | None:
    """Reduces an image as MATLAB's ``imresize`` does by default: bicubic, antialiased.

    Returns:
        None if the file can be taken as it is.

    Raises:
        UsageError: It does not read, or has another size than its labels.
    """
    image = read_image(sample.image)
    if image.size != size:
        raise UsageError(f'{sample.image} has size {image.size}, its labels {size}')
    new_size = output_size(*size, max_short_side)
    # readers would turn it, and the labels are not turned
    if new_size == size and image.getexif().get(ORIENTATION, 1) == 1:
        return None
    return image.convert('RGB').resize(new_size, Image.Resampling.BICUBIC)


def _write_image(sample: Sample, size: tuple[int, int], max_short_side: int) -> None:
    image = make_image(sample, size, max_short_side)
    with replacing(sample.out_image) as part:
        if image is None:
            shutil.copyfile(sample.image, part)
        else:
            image.save(part, 'JPEG', quality=QUALITY)
