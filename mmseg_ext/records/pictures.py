"""Pictures of images, truth and predictions, in the data set's palette."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import numpy as np
from mmseg.structures import SegDataSample

from .grid import Cell, draw_grid

IGNORED_COLOUR = (224, 224, 192)  # VOC's colour for void
OUTSIDE_COLOUR = (255, 0, 255)
MAX_LEGEND = 40  # entries that stay readable below a sheet


class Picture(NamedTuple):
    """One image of a sheet.

    Attributes:
        name: Title of its row.
        image: (H, W, 3), uint8, RGB.
        truth: (H, W), integer, or None where there is no annotation.
        prediction: (H, W), integer.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray


def read_picture(sample: SegDataSample) -> Picture:
    """Reads the image of a prediction again, and takes truth and prediction from the sample.

    Args:
        sample: With ``pred_sem_seg``, maybe ``gt_sem_seg``, and ``img_path`` in its metainfo.
    """
    image = mmcv.imread(sample.img_path, channel_order='rgb')
    truth = sample.gt_sem_seg.data if 'gt_sem_seg' in sample else None
    return Picture(
        name=Path(sample.img_path).name,
        image=image,
        truth=None if truth is None else truth.squeeze(0).cpu().numpy(),
        prediction=sample.pred_sem_seg.data.squeeze(0).cpu().numpy(),
    )


def colour_mask(
    label: np.ndarray, palette: Sequence[Sequence[int]], ignore_index: int | None = None
) -> np.ndarray:
    """Paints classes in their colours and everything outside the palette as ignored.

    Args:
        label: (H, W), integer.
        palette: One RGB triple a class.
        ignore_index: If given, what is outside the palette and not this stands out.

    Returns:
        (H, W, 3), uint8.
    """
    colours = np.array([*palette, IGNORED_COLOUR, OUTSIDE_COLOUR], dtype=np.uint8)
    outside = (label < 0) | (label >= len(palette))
    index = np.where(outside, len(palette), label)
    if ignore_index is not None:
        index[outside & (label != ignore_index)] = len(palette) + 1
    return np.take(colours, index, axis=0)  # a third of the time of colours[index]


def overlay_mask(
    image: np.ndarray,
    label: np.ndarray,
    palette: Sequence[Sequence[int]],
    ignore_index: int = 255,
    alpha: float = 0.5,
) -> np.ndarray:
    """Lays the colours of the classes over an image; hatches what is ignored, padding too.

    Args:
        image: (H, W, 3), uint8, RGB.
        label: (H, W), integer.
        palette: One RGB triple a class.
        ignore_index: Label that does not count.
        alpha: Weight of the colours.

    Returns:
        (H, W, 3), uint8.
    """
    colours = colour_mask(label, palette, ignore_index)
    mixed = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
    ignored = (label == ignore_index)[..., None]
    if not ignored.any():
        return mixed
    return np.where(ignored, np.where(stripes(label.shape)[..., None], colours, image), mixed)


def stripes(shape: tuple[int, int]) -> np.ndarray:
    """Thin slanted stripes that hatch a picture of that size: (H, W), bool."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    period = max(4, max(shape) // 40)
    return (rows + columns) % period < max(1, period // 4)


def draw_sheet(
    path: Path,
    pictures: Sequence[Picture],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    title: str = '',
) -> None:
    """Draws one row a picture: image, truth, prediction; below, the classes that occur.

    Args:
        path: PNG file to write.
        pictures: At least one.
        classes: Names, in the order of the palette.
        palette: One RGB triple a class.
        title: Text above the sheet.
    """
    rows, labels = [], []
    for picture in pictures:
        truth = None if picture.truth is None else colour_mask(picture.truth, palette)
        prediction = colour_mask(picture.prediction, palette)
        rows.append([Cell(picture.image, picture.name), Cell(truth), Cell(prediction)])
        labels += [label for label in (picture.truth, picture.prediction) if label is not None]
    legend = class_legend(labels, classes, palette)
    draw_grid(path, rows, ('image', 'truth', 'prediction'), legend, title)


def class_legend(
    labels: Iterable[np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int | None = None,
) -> dict[str, Sequence[int]]:
    """Names and colours of what occurs in the labels: at most ``MAX_LEGEND`` classes, and ignored.

    Args:
        labels: Each (H, W), integer.
        classes: Names, in the order of the palette.
        palette: One RGB triple a class.
        ignore_index: As for ``colour_mask``.
    """
    counts, strange = np.zeros(len(classes), dtype=np.int64), False
    for label in labels:
        inside = (label >= 0) & (label < len(classes))
        known = np.where(inside, label, len(classes)).ravel()  # faster than picking them out
        counts += np.bincount(known, minlength=len(classes) + 1)[: len(classes)]
        strange = strange or bool((~inside & (label != ignore_index)).any())
    most = np.argsort(-counts, kind='stable')[:MAX_LEGEND]
    legend = {classes[index]: palette[index] for index in sorted(most) if counts[index]}
    legend['ignored'] = IGNORED_COLOUR
    if strange and ignore_index is not None:
        legend['outside the classes'] = OUTSIDE_COLOUR
    return legend
