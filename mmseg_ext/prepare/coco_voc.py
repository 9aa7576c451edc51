"""COCO's instance masks as label files of VOC's 21 classes, for pre-training."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .coco_annotations import CLASSES, Picture, read_pictures
from .coco_masks import IGNORE, check_installed, draw_label
from .images import read_image
from .jobs import clear_remains, is_written, run_jobs
from .lists import read_names, write_names
from .palette import voc_palette

SPLITS = ('train', 'val')
FOLDER = 'voc_classes'  # below COCO's own, unless another is given
MIN_PIXELS = 1000


@dataclass(frozen=True)
class Split:
    """Where one split is read and written."""

    name: str
    annotations: Path
    images: Path
    labels: Path
    list_file: Path


def convert(
    coco: Path,
    out: Path,
    num_processes: int,
    splits: Sequence[str] = SPLITS,
    min_pixels: int = MIN_PIXELS,
) -> dict[str, tuple[int, int]]:
    """Writes ``{train,val}2017/NAME.png``, one byte a pixel in VOC's colours, and the lists.

    ``train.txt`` lists the images with at least ``min_pixels`` of the 20 classes, ``val.txt`` all,
    as torchvision's references/segmentation/coco_utils.py does (it asks for more than 1,000, by the
    areas in the annotations). Labels that are there already are kept. See ``draw_label`` for what
    becomes 255.

    Args:
        coco: Folder with ``annotations``, ``train2017`` and ``val2017`` in it.
        out: Folder to write to.
        num_processes: Processes that convert.
        splits: ``train``, ``val`` or both.
        min_pixels: Of the 20 classes, for an image to be listed for training.

    Returns:
        For each split the number of listed images and of all.

    Raises:
        UsageError: A file or folder is missing or damaged, or pycocotools is not installed.
    """
    check_installed()
    found = {}
    for split in _find_splits(coco, out, splits):
        pictures = _read_split(split)
        split.labels.mkdir(parents=True, exist_ok=True)
        clear_remains(split.labels)
        clear_remains(out)
        function = partial(_convert_picture, split=split)
        pixels = run_jobs(function, pictures, num_processes, f'{split.name}2017')
        names = _choose(split, pictures, pixels, min_pixels)
        write_names(split.list_file, names)
        found[split.name] = len(names), len(pictures)
    return found


def check(
    coco: Path,
    out: Path,
    num_processes: int,
    splits: Sequence[str] = SPLITS,
    min_pixels: int = MIN_PIXELS,
) -> tuple[list[str], int]:
    """Draws every label anew and compares; the images are decoded, the lists compared.

    Returns:
        Faults, one line each, and the number of images.

    Raises:
        UsageError: As for ``convert``, of the sources.
    """
    check_installed()
    faults, number = [], 0
    for split in _find_splits(coco, out, splits):
        pictures = _read_split(split)
        function = partial(_check_picture, split=split)
        results = run_jobs(function, pictures, num_processes, f'checking {split.name}2017')
        faults += [fault for found, _ in results for fault in found]
        pixels = [count for _, count in results]
        faults += _check_list(split, _choose(split, pictures, pixels, min_pixels))
        wanted = {f'{each.name}.png' for each in pictures}
        there = {path.name for path in split.labels.glob('*')}
        faults += [
            f'{split.labels / name}: no image of COCO gives it' for name in sorted(there - wanted)
        ]
        number += len(pictures)
    return faults, number


def _find_splits(coco: Path, out: Path, names: Sequence[str]) -> list[Split]:
    return [
        Split(
            name,
            coco / f'annotations/instances_{name}2017.json',
            coco / f'{name}2017',
            out / f'{name}2017',
            out / f'{name}.txt',
        )
        for name in names
    ]


def _read_split(split: Split) -> list[Picture]:
    if split.labels.resolve() == split.images.resolve():
        raise UsageError(f'{split.images} holds the images; write the labels to another folder')
    if not split.images.is_dir():
        raise UsageError(
            f'there is no {split.images}; unpack {split.name}2017.zip there '
            f'(http://images.cocodataset.org/zips/{split.name}2017.zip)'
        )
    pictures = read_pictures(split.annotations)
    there = {path.name for path in split.images.iterdir()}
    missing = [each.name for each in pictures if f'{each.name}.jpg' not in there]
    if missing:
        raise UsageError(
            f'{split.images} lacks {len(missing):,} of {len(pictures):,} images, {missing[0]}.jpg '
            f'for one; unpack {split.name}2017.zip again'
        )
    return pictures


def _convert_picture(picture: Picture, split: Split) -> int:
    """Writes a label file; returns the number of its pixels in the 20 classes."""
    file = split.labels / f'{picture.name}.png'
    if is_written(file):
        with contextlib.suppress(UsageError):  # damaged: drawn again
            return _count(np.asarray(read_image(file)))
    label = _draw(picture, split)
    image = Image.fromarray(label)
    image.putpalette(voc_palette().tobytes())
    with replacing(file) as part:
        image.save(part, 'PNG')
    return _count(label)


def _check_picture(picture: Picture, split: Split) -> tuple[list[str], int]:
    expected = _draw(picture, split)
    file, source = split.labels / f'{picture.name}.png', split.images / f'{picture.name}.jpg'
    faults = []
    try:
        if not file.is_file():
            return [f'{file} is missing'], _count(expected)
        label, image = np.asarray(read_image(file)), read_image(source)
    except UsageError as error:
        return [str(error)], _count(expected)
    if image.size != (picture.width, picture.height):
        faults.append(f'{source} has size {image.size}, {split.annotations.name} another')
    if label.shape != expected.shape:
        faults.append(f'{file} has shape {label.shape}, not {expected.shape}')
    elif ((label >= len(CLASSES)) & (label != IGNORE)).any():
        bad = label[(label >= len(CLASSES)) & (label != IGNORE)][0]
        faults.append(f'{file} holds label {bad}, outside 0 to {len(CLASSES) - 1} and {IGNORE}')
    elif (label != expected).any():
        wrong = np.count_nonzero(label != expected)
        faults.append(f'{file} differs from its annotations in {wrong:,} pixels')
    return faults, _count(expected)


def _draw(picture: Picture, split: Split) -> np.ndarray:
    return draw_label(picture.instances, picture.height, picture.width, split.annotations)


def _count(label: np.ndarray) -> int:
    return int(np.count_nonzero((label != 0) & (label != IGNORE)))


def _choose(
    split: Split, pictures: Sequence[Picture], pixels: Sequence[int], min_pixels: int
) -> set[str]:
    least = min_pixels if split.name == 'train' else 0
    return {each.name for each, count in zip(pictures, pixels, strict=True) if count >= least}


def _check_list(split: Split, expected: set[str]) -> list[str]:
    try:
        names = read_names(split.list_file)
    except UsageError as error:
        return [str(error)]
    if names == expected:
        return []
    return [
        f'{split.list_file} lists {len(names - expected):,} images too many and '
        f'{len(expected - names):,} too few, {min(names ^ expected)} for one'
    ]
