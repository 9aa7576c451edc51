"""Predicted labels as PNG files in the data set's own encoding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from mmseg.datasets import PascalVOCDataset
from PIL import Image

from mmseg_ext.datasets.bad_samples import find_leaves
from mmseg_ext.engine.errors import found_by_all
from mmseg_ext.prepare.masks import write_mask as write_palette_mask
from mmseg_ext.prepare.palette import voc_palette

from .files import replacing

IGNORED = 255  # what loaders take for "no class" in files of one byte a pixel


@dataclass(frozen=True)
class MaskEncoding:
    """How a data set's label files write its classes.

    Attributes:
        values: The value of each class in the files.
        palette: RGB triples by value, for palette PNGs; None for grey ones.
    """

    values: tuple[int, ...]
    palette: tuple[tuple[int, int, int], ...] | None = None

    @classmethod
    def from_metainfo(cls, metainfo: Mapping) -> MaskEncoding:
        """The encoding that a data set's metainfo tells of; a checkpoint keeps one.

        Files are grey, but for VOC's classes, whose files have a palette.

        Args:
            metainfo: ``classes``, and maybe ``reduce_zero_label`` and ``label_map``.

        Raises:
            UsageError: It names no classes, or its ``label_map`` cannot be turned back.
        """
        if not metainfo.get('classes'):
            raise found_by_all('masks need class names: set metainfo.classes of the data set')
        classes = tuple(metainfo['classes'])
        values = _turn_back(classes, metainfo.get('label_map'))
        if metainfo.get('reduce_zero_label'):
            values = tuple(value + 1 for value in values)
        is_voc = classes == tuple(PascalVOCDataset.METAINFO['classes'])
        return cls(values, _triples(voc_palette()) if is_voc else None)

    @classmethod
    def from_dataset(cls, dataset) -> MaskEncoding:
        """The encoding of a data set, wrappers included: its first label file says if coloured.

        Args:
            dataset: One of MMSegmentation's.

        Raises:
            UsageError: As ``from_metainfo``.
        """
        encoding = cls.from_metainfo(dataset.metainfo)
        leaf = next(find_leaves(dataset), None)
        info = leaf.get_data_info(0) if leaf is not None and len(leaf) else {}
        file = info.get('seg_map_path')
        if not file or not Path(file).is_file():
            return encoding
        with Image.open(file) as truth:
            colours = truth.getpalette() if truth.mode == 'P' else None
        if colours is None:
            return cls(encoding.values)
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(colours) // 3] = np.reshape(colours, (-1, 3))
        return cls(encoding.values, _triples(palette))

    @property
    def dtype(self) -> type:
        """``uint8``, or ``uint16`` where a class would fall on 255, the ignored label."""
        return np.uint8 if max(self.values) < IGNORED else np.uint16

    def __str__(self) -> str:
        first, last = self.values[0], self.values[-1]
        consecutive = self.values == tuple(range(first, last + 1))
        said = f'{first} to {last}' if consecutive else 'as in the label files'
        kind = 'palette' if self._has_colours else f'{8 * np.dtype(self.dtype).itemsize}-bit grey'
        return f'{kind} PNG, classes {said}'

    def encode(self, label: np.ndarray) -> np.ndarray:
        """Writes labels of the network, (H, W), integer, as those of the files, in ``dtype``.

        Raises:
            ValueError: A label lies outside the classes.
        """
        if label.size and not 0 <= label.min() <= label.max() < len(self.values):
            raise ValueError(
                f'labels {label.min()} to {label.max()} for {len(self.values)} classes'
            )
        return np.array(self.values, self.dtype)[label]

    @property
    def _has_colours(self) -> bool:
        return self.palette is not None and self.dtype is np.uint8


def write_mask(path: Path, label: np.ndarray, encoding: MaskEncoding) -> None:
    """Writes a predicted label map, whole or not at all; makes its folder if needed.

    Args:
        path: PNG file to write.
        label: (H, W), integer, in [0, classes).
        encoding: Of the data set.

    Raises:
        ValueError: A label lies outside the classes.
    """
    values = encoding.encode(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    if encoding._has_colours:
        write_palette_mask(path, values, np.array(encoding.palette, np.uint8))
        return
    with replacing(path) as part:
        Image.fromarray(values).save(part, 'PNG')


def find_image_root(dataset) -> str:
    """The folder below which a data set's images lie, wrappers included; empty if it has none."""
    prefixes = {
        str(leaf.data_prefix['img_path'])
        for leaf in find_leaves(dataset)
        if (getattr(leaf, 'data_prefix', None) or {}).get('img_path')
    }
    try:
        return os.path.commonpath(prefixes) if prefixes else ''
    except ValueError:  # some absolute, some not
        return ''


def name_below(img_path: str, root: str, suffix: str = '.png') -> Path:
    """The name of what is written for an image: its path below a folder, else its bare name.

    Args:
        img_path: The image.
        root: Folder of the images.
        suffix: Takes the place of the image's.
    """
    image = PurePath(img_path)
    if root and image.is_relative_to(root) and '..' not in image.relative_to(root).parts:
        image = image.relative_to(root)
    else:
        image = PurePath(image.name)
    return Path(image.with_suffix(suffix))


def _turn_back(classes: Sequence[str], label_map: Mapping[int, int] | None) -> tuple[int, ...]:
    """The label in the files, before ``label_map``, of each class."""
    label_map = label_map or {}
    values = []
    for index, name in enumerate(classes):
        origins = [old for old, new in label_map.items() if new == index]
        if index not in label_map:
            origins.append(index)
        if len(origins) != 1:
            made = ' and '.join(map(str, sorted(origins))) or 'no label'
            raise found_by_all(
                f'label_map makes {name!r} of {made} of the files, so masks cannot say which; '
                'use a data set whose classes are those of the files, without label_map'
            )
        values += origins
    return tuple(values)


def _triples(palette: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    return tuple(tuple(colour) for colour in palette.tolist())
