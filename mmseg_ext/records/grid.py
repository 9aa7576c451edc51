"""A grid of pictures with headings above and a legend below."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .files import replacing

LEGEND_ENTRY = 1.9  # inches


class Cell(NamedTuple):
    """One place of a grid.

    Attributes:
        view: (H, W, 3), uint8, RGB; None leaves the place white.
        caption: Text in its lower left corner; where there is no view, in its middle.
    """

    view: np.ndarray | None
    caption: str = ''


def draw_grid(
    path: Path,
    rows: Sequence[Sequence[Cell]],
    headings: Sequence[str],
    legend: Mapping[str, Sequence[int]],
    title: str = '',
    width: float = 3.2,
) -> None:
    """Draws cells of one width; a row is as high as its highest picture.

    Args:
        path: PNG file to write.
        rows: At least one, each of as many cells as there are headings, one view at least.
        headings: Text above each column.
        legend: RGB triples by name.
        title: Text above the grid.
        width: Of a column, in inches of 100 pixels.
    """
    heights = [max(_aspect(cell) for cell in row) for row in rows]
    across = max(1, int(len(headings) * width / LEGEND_ENTRY))
    legend_height = 0.18 * math.ceil(len(legend) / across) + 0.25
    figure = Figure(figsize=(len(headings) * width, width * sum(heights) + legend_height + 0.6))
    bottom = legend_height / figure.get_figheight()
    axes = figure.subplots(
        len(rows),
        len(headings),
        squeeze=False,
        gridspec_kw=dict(
            height_ratios=heights,
            left=0.01,
            right=0.99,
            top=1 - 0.6 / figure.get_figheight(),
            bottom=bottom,
            wspace=0.02,
            hspace=0.04,
        ),
    )
    for places, cells in zip(axes, rows, strict=True):
        for place, cell in zip(places, cells, strict=True):
            _draw_cell(place, cell)
    for place, heading in zip(axes[0], headings, strict=True):
        place.set_title(heading, fontsize=10)
    figure.suptitle(title, fontsize=11, y=1 - 0.08 / figure.get_figheight(), va='top')
    figure.legend(
        handles=[
            Patch(facecolor=np.array(colour) / 255, edgecolor='grey', label=name)
            for name, colour in legend.items()
        ],
        loc='upper center',
        bbox_to_anchor=(0.5, bottom),
        ncols=across,
        fontsize=8,
        frameon=False,
    )
    with replacing(path) as part:
        figure.savefig(part, dpi=100, format='png')


def _aspect(cell: Cell) -> float:
    return 0 if cell.view is None else cell.view.shape[0] / cell.view.shape[1]


def _draw_cell(place, cell: Cell) -> None:
    place.set_axis_off()
    if cell.view is None:
        place.text(
            0.5, 0.5, cell.caption, transform=place.transAxes, fontsize=8, color='grey',
            ha='center', va='center',
        )  # fmt: skip
        return
    place.imshow(cell.view, interpolation='nearest')
    place.set_anchor('N')  # headings stand in line, whatever the pictures' heights
    if cell.caption:
        place.text(
            0.02, 0.03, cell.caption, transform=place.transAxes, fontsize=7,
            color='white', bbox=dict(facecolor=(0, 0, 0, 0.5), edgecolor='none', pad=2),
        )  # fmt: skip
