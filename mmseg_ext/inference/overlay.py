"""Images with the colours of their classes, and a legend."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

MAX_ENTRIES = 24  # of a legend
LEAST_SHARE = 0.001  # of the pixels, below which a class is left out of the legend


class Entry(NamedTuple):
    """A class of a legend: its name, RGB colour and share of the pixels."""

    name: str
    colour: Sequence[int]
    share: float

    def __str__(self) -> str:
        return f'{self.name} {100 * self.share:.1f}%'


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Makes what a loader gave, BGR or else, a picture to show: (H, W, 3), uint8, RGB."""
    if image.ndim == 2:
        image = image[..., None]
    bgr = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if bgr.dtype == np.uint16:
        bgr = (bgr >> 8).astype(np.uint8)
    elif bgr.dtype != np.uint8:
        bgr = np.nan_to_num(bgr)
        low, high = float(bgr.min()), float(bgr.max())
        if low < 0 or high > 255 or high <= 1:  # normalised, or of more bits
            bgr = (bgr - low) * (255 / max(high - low, 1e-6))
        bgr = bgr.astype(np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])


def blend(
    image: np.ndarray,
    label: np.ndarray,
    palette: Sequence[Sequence[int]],
    alpha: float = 0.5,
    shown: Sequence[int] | None = None,
) -> np.ndarray:
    """Lays the colours of classes over an image.

    Args:
        image: (H, W, 3), uint8, RGB.
        label: (H, W), integer, in [0, classes).
        palette: One RGB triple a class.
        alpha: Weight of the colours, 0 to 1.
        shown: Classes to colour; elsewhere the image stays as it is. None: all.

    Returns:
        (H, W, 3), uint8.
    """
    # a third of the time of palette[label]
    colours = np.take(np.array(palette, np.uint8), label, axis=0)
    mixed = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
    if shown is None:
        return mixed
    return np.where(np.isin(label, shown)[..., None], mixed, image)


def make_entries(
    shares: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    shown: Sequence[int] | None = None,
) -> list[Entry]:
    """The classes of an image's legend, those with most pixels first."""
    order = np.argsort(-shares, kind='stable')
    chosen = [
        index
        for index in order
        if shares[index] >= LEAST_SHARE and (shown is None or index in shown)
    ]
    return [Entry(classes[index], palette[index], float(shares[index])) for index in chosen]


def make_legend(
    shares: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    shown: Sequence[int] | None = None,
) -> dict[str, Sequence[int]]:
    """Colours by name and share, as ``add_legend`` takes them, and how many classes are left out.

    The arguments are those of ``make_entries``.
    """
    entries = make_entries(shares, classes, palette, shown)
    legend = {str(entry): entry.colour for entry in entries[:MAX_ENTRIES]}
    if entries[MAX_ENTRIES:]:
        legend[f'and {len(entries) - MAX_ENTRIES} more'] = (255, 255, 255)
    return legend


def add_legend_inside(picture: np.ndarray, entries: Sequence[Entry]) -> np.ndarray:
    """Draws the legend into the upper left corner, over a darkened patch; for frames of videos.

    Args:
        picture: (H, W, 3), uint8, RGB.
        entries: Of ``make_entries``; the first that have room in half the height. None in pictures
            so small that names would cover half the width.
    """
    height, width = picture.shape[:2]
    size = int(np.clip(height / 36, 9, 32))
    row, font = round(1.4 * size), _font(size)
    entries = entries[: (height // 2 - size) // row] if height // 2 > size else []
    patch_width = int(max((font.getlength(str(entry)) for entry in entries), default=0) + 3 * size)
    if not entries or patch_width > width // 2:
        return picture
    patch_height = row * len(entries) + size // 2
    picture = picture.copy()
    patch = picture[:patch_height, :patch_width]
    patch[:] = patch // 3
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for index, entry in enumerate(entries):
        _draw_entry(draw, entry, size / 2, size / 3 + index * row, size, font, 'white')
    return np.array(canvas)


def _draw_entry(draw, entry: Entry, left: float, top: float, size: int, font, ink: str) -> None:
    box = (left, top, left + size, top + size)
    draw.rectangle(box, fill=tuple(int(value) for value in entry.colour), outline='grey')
    place = (left + 1.4 * size, top + size / 2)
    draw.text(place, str(entry), fill=ink, font=font, anchor='lm')


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # comes with matplotlib; OpenCV's own letters are ASCII alone
    return ImageFont.truetype(font_manager.findfont('DejaVu Sans'), size)
