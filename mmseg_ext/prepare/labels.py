"""Label files: one byte a pixel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError

from .jobs import run_jobs


def open_picture(path: Path) -> Image.Image:
    """Opens a picture and reads it to its end; raises ``UsageError`` if that fails."""
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damaged files
        raise UsageError(f'{path} does not read: {error}') from error
    return picture


def read_label(path: Path) -> np.ndarray:
    """Reads a label file as MMSegmentation does: of a palette, the indices.

    Returns:
        (H, W), uint8.

    Raises:
        UsageError: It does not read, or is no picture of one byte a pixel.
    """
    picture = open_picture(path)
    if picture.mode not in ('L', 'P', '1'):
        raise UsageError(
            f'{path} is of mode {picture.mode}, not one byte a pixel; '
            'tools/dataset_converters/recode.py turns colours into labels'
        )
    return np.asarray(picture).astype(np.uint8)


def count_labels(paths: Sequence[Path], num_processes: int, description: str) -> np.ndarray:
    """Counts the pixels of each label in all files.

    Returns:
        (256,), int64.
    """
    counts = run_jobs(_count, paths, num_processes, description)
    return np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(256, np.int64)


def _count(path: Path) -> np.ndarray:
    return np.bincount(read_label(path).ravel(), minlength=256)
