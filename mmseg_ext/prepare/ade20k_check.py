"""Whether a converted ADE20K is what its release gives."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError

from .ade20k_classes import NUM_CLASSES
from .ade20k_pixels import Rules, Sample, make_image, make_label, read_indices
from .images import read_image

# Mean difference, in grey levels of 255, to the same image saved as JPEG: the encoder's own is
# below 10 even on noise-like texture, that of two different photographs is several times that.
MAX_DIFFERENCE = 20


def check_sample(sample: Sample, rules: Rules) -> list[str]:
    """Compares one converted image and its labels with the release; returns faults."""
    indices = read_indices(sample.seg, rules.max_index)
    expected = make_label(indices, rules)
    found = _check_label(sample.out_label, expected)
    return found + _check_image(sample, indices.shape[::-1], rules.max_short_side)


def find_extra(samples: Sequence[Sample], out: Path) -> list[str]:
    """Names files among the images and labels that no image of the release gives."""
    wanted = {path for each in samples for path in (each.out_image, each.out_label)}
    there = (
        path
        for folder in ('images', 'annotations')
        for path in (out / folder).rglob('*')
        if path.is_file()
    )
    return [f'{path}: no image of the release gives it' for path in sorted(set(there) - wanted)]


def _check_label(file: Path, expected: np.ndarray) -> list[str]:
    if not file.is_file():
        return [f'{file} is missing']
    try:
        image = read_image(file)
    except UsageError as error:
        return [str(error)]
    if image.mode != 'L':
        return [f'{file} has mode {image.mode}, not one byte a pixel']
    label = np.asarray(image)
    if label.shape != expected.shape:
        return [f'{file} has shape {label.shape}, not {expected.shape}']
    if label.max() > NUM_CLASSES:
        return [f'{file} holds label {label.max()}, outside 0 to {NUM_CLASSES}']
    wrong = np.count_nonzero(label != expected)
    return [f'{file} differs from its source in {wrong:,} pixels'] if wrong else []


def _check_image(sample: Sample, size: tuple[int, int], max_short_side: int) -> list[str]:
    file = sample.out_image
    if not file.is_file():
        return [f'{file} is missing']
    expected = make_image(sample, size, max_short_side)
    if expected is None:
        same = file.read_bytes() == sample.image.read_bytes()
        return [] if same else [f'{file} is no copy of {sample.image}']
    try:
        image = read_image(file).convert('RGB')
    except UsageError as error:
        return [str(error)]
    if image.size != expected.size:
        return [f'{file} has size {image.size}, not {expected.size}']
    difference = _grey(image) - _grey(expected)
    if np.abs(difference).mean() > MAX_DIFFERENCE:
        return [f'{file} shows something else than {sample.image}']
    return []


def _grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert('L'), np.int16)
