"""The panel of IoU per class over time."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from .curve_panels import SIDES, add_legend, mark_points, pick_colours

MAX_LINES = 12  # classes that can be told apart as lines
ROW = 0.13  # inches that a name of 7 points needs


def class_panel_height(num_classes: int) -> float:
    """Inches that the panel needs."""
    return 3.4 if num_classes <= MAX_LINES else max(3.4, ROW * num_classes)


def class_panel_sides(num_classes: int) -> tuple[float, float]:
    """Inches left and right of the panel, for its names and legend."""
    return SIDES if num_classes <= MAX_LINES else (1.9, SIDES[1])


def draw_classes(axes: Axes, validations: Sequence[dict], classes: Sequence[str]) -> None:
    """Draws the IoU of classes: a line each where they are few, else a heat map.

    The rows of the heat map are sorted by the last IoU, the best above.

    Args:
        axes: Panel of ``class_panel_height``.
        validations: As ``MetricsFileHook`` describes them.
        classes: Names.
    """
    entries = [entry for entry in validations if entry['per_class'].get('IoU')]
    steps = np.array([entry['iter'] for entry in entries], dtype=np.float64)
    tables = [entry['per_class']['IoU'] for entry in entries]
    # absent classes are null in metrics.json, nan in logs
    iou_ct = 100 * np.array(
        [[_number(table.get(name)) for table in tables] for name in classes], dtype=np.float64
    )
    order = np.argsort(-np.nan_to_num(iou_ct[:, -1], nan=-1), kind='stable')
    iou_ct, names = iou_ct[order], [classes[index] for index in order]
    if len(names) <= MAX_LINES:
        _draw_lines(axes, steps, iou_ct, names)
    else:
        _draw_map(axes, steps, iou_ct, names)


def _draw_lines(axes: Axes, steps: np.ndarray, iou_ct: np.ndarray, names: list[str]) -> None:
    for name, values, colour in zip(names, iou_ct, pick_colours(len(names)), strict=True):
        label = f'{name} {_written(values[-1]) or "(absent)"}'
        shown = 'lightgrey' if np.isnan(values).all() else colour
        axes.plot(steps, values, label=label, color=shown, **mark_points(steps))
    absent = '; grey: absent' if np.isnan(iou_ct).all(axis=1).any() else ''
    axes.set_title(f'the last IoU on the right{absent}', loc='right', fontsize=8)
    add_legend(axes)
    axes.set_ylabel('IoU per class, %')


def _draw_map(axes: Axes, steps: np.ndarray, iou_ct: np.ndarray, names: list[str]) -> None:
    # a cell reaches half-way to the validations beside it
    between = (steps[1:] + steps[:-1]) / 2
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        edges = np.array([first * 0.9, first * 1.1 + 1])
    else:
        edges = np.concatenate([[2 * first - between[0]], between, [2 * last - between[-1]]])
    colours = colormaps['viridis'].with_extremes(bad='lightgrey')
    rows = np.arange(len(names) + 1)
    mesh = axes.pcolormesh(
        edges, rows, np.ma.masked_invalid(iou_ct), cmap=colours, vmin=0, vmax=100, rasterized=True
    )
    axes.set_ylim(len(names), 0)
    axes.set_yticks([])
    # plain texts: ticks with labels take three times as long to draw
    for row, (name, value) in enumerate(zip(names, iou_ct[:, -1], strict=True)):
        style = dict(transform=axes.get_yaxis_transform(), fontsize=7, va='center')
        axes.text(-0.005, row + 0.5, name, ha='right', **style)
        axes.text(1.005, row + 0.5, _written(value), **style)
    axes.set_title('IoU per class, %; sorted by the last, on the right; grey: absent', fontsize=9)
    width, height = axes.figure.get_size_inches()
    place = axes.get_position()
    bar = axes.figure.add_axes(
        (place.x1 + 0.45 / width, place.y1 - 3 / height, 0.12 / width, 3 / height)
    )
    axes.figure.colorbar(mesh, cax=bar)
    bar.tick_params(labelsize=7)


def _number(share: float | None) -> float:
    return np.nan if share is None else share


def _written(value: float) -> str:
    return '' if np.isnan(value) else f'{value:.1f}'
