"""Pictures side by side with headings, a title and a legend, at their full resolution.

Plain composition: hundreds of large pictures take a fraction of the time that figures take.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .files import replacing

FONT = Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf')
MIN_WIDTH = 320  # pixels of a panel, below which headings do not fit
MAX_TEXT = 26  # pixels of a line
MAX_LINE = 48  # the same of a single picture


class Panel(NamedTuple):
    """One picture.

    Attributes:
        view: (H, W, 3), uint8, RGB.
        heading: Text above it.
    """

    view: np.ndarray
    heading: str


def compose(
    rows: Sequence[Sequence[Panel]],
    title: str,
    legend: Mapping[str, Sequence[int]],
    width: int | None = None,
) -> np.ndarray:
    """Puts panels into one picture.

    Args:
        rows: At least one, of panels of one height; all panels become equally wide.
        title: Text above.
        legend: RGB triples by name.
        width: Of a panel, in pixels; else that of the widest view, or the multiple of it that
            headings fit above.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    if width is None:
        widest = max(panel.view.shape[1] for row in rows for panel in row)
        width = widest * math.ceil(MIN_WIDTH / widest)
    views = [[_to_width(panel.view, width) for panel in row] for row in rows]
    line = min(MAX_TEXT, max(16, width // 24))
    gap = line // 3
    across = max(map(len, rows)) * (width + gap) + gap
    above = line + 2 * gap
    heights = [max(view.shape[0] for view in row) + line + gap for row in views]
    canvas = np.full((above + sum(heights), across, 3), 255, np.uint8)
    top, texts = above, [(title, gap, gap)]
    for row, row_views, height in zip(rows, views, heights, strict=True):
        for column, (panel, view) in enumerate(zip(row, row_views, strict=True)):
            left = gap + column * (width + gap)
            canvas[top + line : top + line + view.shape[0], left : left + width] = view
            texts.append((_fitting(panel.heading, width, line), left, top))
        top += height
    picture = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(picture), _font(line)
    for text, left, upper in texts:
        draw.text((left, upper), _fitting(text, across - left, line), 'black', font)
    return add_legend(np.asarray(picture), legend, line)


def add_legend(
    picture: np.ndarray, legend: Mapping[str, Sequence[int]], line: int | None = None
) -> np.ndarray:
    """Adds a white strip with a legend below a picture; narrow ones are widened with white.

    Args:
        picture: (H, W, 3), uint8, RGB.
        legend: RGB triples by name.
        line: Height of a line in pixels; default: as fits the picture.
    """
    height, width = picture.shape[:2]
    line = line or min(MAX_LINE, max(16, max(height, width) // 42))
    gap, across = line // 3, max(MIN_WIDTH, width)
    places = _place_legend(legend, across, line, gap)
    below = gap + (places[-1][2] + line + gap if places else 0)
    canvas = np.full((height + below, across, 3), 255, np.uint8)
    canvas[:height, :width] = picture
    strip = Image.fromarray(canvas[height:])
    draw, font = ImageDraw.Draw(strip), _font(line)
    for name, left, top in places:
        box = (left, gap + top, left + line, gap + top + line - 3)
        draw.rectangle(box, tuple(int(value) for value in legend[name]), 'grey')
        text = _fitting(name, across - left - line - gap, line)
        draw.text((left + line + gap, gap + top), text, 'black', font)
    canvas[height:] = np.asarray(strip)
    return canvas


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes an RGB picture as a PNG, whole or not at all; makes its folder if needed."""
    # OpenCV's own settings are its fast ones, for files a fifth larger
    _, data = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(data)


def _to_width(view: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(view.shape[0] * width / view.shape[1]))
    if view.shape[1] == width:
        return view
    shrinks = width < view.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return cv2.resize(view, (width, height), interpolation=way)


def _place_legend(
    legend: Mapping[str, Sequence[int]], across: int, line: int, gap: int
) -> list[tuple[str, int, int]]:
    """Name, left and top of each entry, in as many lines as it takes."""
    places, left, top = [], gap, 0
    for name in legend:
        length = line + 3 * gap + math.ceil(_font(line).getlength(name))
        if left > gap and left + length > across:
            left, top = gap, top + line + gap
        places.append((name, left, top))
        left += length + gap
    return places


def _fitting(text: str, width: int, line: int) -> str:
    """The text, its beginning left out where it is too long: the end of a path names the file."""
    font = _font(line)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f'…{text}') > width:
        text = text[1:]
    return f'…{text}'


@functools.lru_cache
def _font(line: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), round(0.72 * line))
