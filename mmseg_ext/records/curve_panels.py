"""Panels of a picture of curves, which share the axis of iterations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .files import replacing

WIDTH = 11.0  # inches
DPI = 110
SIDES = (0.9, 2.3)  # inches left and right of the panels, for numbers and legends
LINE = 0.19  # inches that a line of a legend needs


def stack_panels(
    heights: Sequence[float],
    title: str,
    sides: tuple[float, float] = SIDES,
    above: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Makes panels one above the other, which share the axis of iterations.

    Places are counted out in inches: matplotlib's own layout takes seconds with 150 labels.

    Args:
        heights: Inches, from above.
        title: Text above them.
        sides: Inches left and right of them.
        above: Inches to leave free between the title and them.
    """
    top, gap, bottom = 0.5 + above, 0.27, 0.5
    total = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure = Figure(figsize=(WIDTH, total))
    figure.suptitle(title, y=1 - 0.15 / total, va='top', fontsize=12)
    panels, edge = [], total - top
    for height in heights:
        edge -= height
        left, width = sides[0] / WIDTH, 1 - sum(sides) / WIDTH
        place = (left, edge / total, width, height / total)
        panels.append(figure.add_axes(place, sharex=panels[0] if panels else None))
        edge -= gap
    return figure, panels


def save(figure: Figure, panels: Sequence[Axes], path: Path) -> None:
    """Adds grids and the axis below, and writes the picture."""
    for panel in panels:
        panel.tick_params(labelbottom=panel is panels[-1])
        if panel.get_legend_handles_labels()[0]:
            panel.grid(alpha=0.3)
    panels[-1].set_xlabel('iteration')
    with replacing(path) as part:
        figure.savefig(part, dpi=DPI, format='png')


def add_legend(axes: Axes) -> None:
    """Puts the legend right of the panel, where it covers nothing; smaller if it is long."""
    count = len(axes.get_legend_handles_labels()[0])
    size = max(5.0, min(8.0, 120 / max(count, 1)))
    axes.legend(fontsize=size, loc='upper left', bbox_to_anchor=(1.0, 1.02), frameon=False)


def pick_colours(count: int) -> list:
    """Gives that many colours, each once; the first ten are matplotlib's own."""
    if count > 20:
        return list(colormaps['turbo'](np.linspace(0, 1, count)))
    colours = colormaps['tab20'].colors
    return [*colours[::2], *colours[1::2]][:count]


def mark_points(steps: Sequence[int]) -> dict:
    """The style that marks each point; empty where the marks would run together."""
    return dict(marker='o', markersize=3) if len(steps) <= 60 else {}
