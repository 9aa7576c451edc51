"""Pictures of images, truth and predictions, in the data set's palette."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmseg.structures import SegDataSample

from .files import replacing

IGNORED_COLOUR = (224, 224, 192)  # VOC's colour for void
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


def colour_mask(label: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paints classes in their colours and everything outside the palette as ignored.

    Args:
        label: (H, W), integer.
        palette: One RGB triple a class.

    Returns:
        (H, W, 3), uint8.
    """
    colours = np.array([*palette, IGNORED_COLOUR], dtype=np.uint8)
    outside = (label < 0) | (label >= len(palette))
    return colours[np.where(outside, len(palette), label)]


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
    heights = [picture.image.shape[0] / picture.image.shape[1] for picture in pictures]
    present = _present(pictures, len(classes))
    columns = 5
    legend_height = 0.18 * math.ceil((len(present) + 1) / columns) + 0.25
    width = 3.2
    figure = Figure(figsize=(3 * width, width * sum(heights) + legend_height + 0.6))
    top = 1 - 0.6 / figure.get_figheight()
    bottom = legend_height / figure.get_figheight()
    axes = figure.subplots(
        len(pictures),
        3,
        squeeze=False,
        gridspec_kw=dict(
            height_ratios=heights,
            left=0.01,
            right=0.99,
            top=top,
            bottom=bottom,
            wspace=0.02,
            hspace=0.04,
        ),
    )
    for row, picture in zip(axes, pictures, strict=True):
        views = [picture.image, None, colour_mask(picture.prediction, palette)]
        if picture.truth is not None:
            views[1] = colour_mask(picture.truth, palette)
        for cell, view in zip(row, views, strict=True):
            cell.set_axis_off()
            if view is not None:
                cell.imshow(view, interpolation='nearest', aspect='auto')
        row[0].text(
            0.02, 0.03, picture.name, transform=row[0].transAxes, fontsize=7,
            color='white', backgroundcolor=(0, 0, 0, 0.5),
        )  # fmt: skip
    for cell, name in zip(axes[0], ('image', 'truth', 'prediction'), strict=True):
        cell.set_title(name, fontsize=10)
    figure.suptitle(title, fontsize=11, y=1 - 0.08 / figure.get_figheight(), va='top')
    handles = [
        Patch(facecolor=np.array(palette[index]) / 255, edgecolor='grey', label=classes[index])
        for index in present
    ]
    handles.append(
        Patch(facecolor=np.array(IGNORED_COLOUR) / 255, edgecolor='grey', label='ignored')
    )
    figure.legend(
        handles=handles,
        loc='upper center',
        bbox_to_anchor=(0.5, bottom),
        ncols=columns,
        fontsize=8,
        frameon=False,
    )
    with replacing(path) as part:
        figure.savefig(part, dpi=100, format='png')


def _present(pictures: Sequence[Picture], num_classes: int) -> list[int]:
    counts = np.zeros(num_classes, dtype=np.int64)
    for picture in pictures:
        for label in (picture.truth, picture.prediction):
            if label is not None:
                inside = label[(label >= 0) & (label < num_classes)]
                counts += np.bincount(inside, minlength=num_classes)
    most = np.argsort(-counts, kind='stable')
    return sorted(int(index) for index in most[:MAX_LEGEND] if counts[index])
