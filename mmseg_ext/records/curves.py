"""Curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .class_curves import class_panel_height, class_panel_sides, draw_classes
from .files import replacing
from .history import read_scalars
from .plateau import find_plateau
from .run_history import RunHistory, is_number, read_run

WIDTH, PANEL = 10.0, 2.6  # inches
DPI = 110


def draw_curves(
    work_dir: Path,
    path: Path | None = None,
    classes: Sequence[str] | None = None,
    smooth: int = 1,
) -> Path | None:
    """Draws loss, learning rate, validation metrics and IoU per class over iterations.

    Args:
        work_dir: The run's folder.
        path: PNG file to write; None: ``curves.png`` in that folder.
        classes: Names of the classes to show; None: all.
        smooth: Logged steps that the bold loss is averaged over.

    Returns:
        The picture, or None if nothing was logged yet.
    """
    if not read_scalars(work_dir):
        return None
    path = path or work_dir / 'curves.png'
    draw_run(read_run(work_dir), path, classes, smooth)
    return path


def draw_run(
    run: RunHistory, path: Path, classes: Sequence[str] | None = None, smooth: int = 1
) -> None:
    """Draws the panels of one run.

    Args:
        run: What it logged.
        path: PNG file to write.
        classes: As for ``draw_curves``.
        smooth: As for ``draw_curves``.

    Raises:
        UsageError: An unknown class.
    """
    chosen = run.choose(classes)
    heights = [PANEL, PANEL * 0.6, PANEL]
    if chosen:
        heights.append(class_panel_height(len(chosen)))
    figure, panels = stack_panels(heights, run.name, class_panel_sides(len(chosen)))
    loss, rate, score = panels[:3]
    _draw_losses(loss, run, smooth)
    for name in ('base_lr', 'lr'):
        if any(name in line for line in run.scalars):
            _plot(rate, run.scalars, name)
            break
    rate.set_ylabel('learning rate')
    _draw_metrics(score, run)
    if chosen:
        draw_classes(panels[3], run.validations, chosen)
    save(figure, panels, path)


def draw_comparison(runs: Sequence[RunHistory], path: Path, smooth: int = 1) -> None:
    """Draws mIoU and training loss of several runs over iterations.

    Args:
        runs: At least one.
        path: PNG file to write.
        smooth: As for ``draw_curves``.
    """
    names = ' / '.join(run.name for run in runs)
    title = names if len(names) < 90 else f'{len(runs)} runs'
    figure, (score, loss) = stack_panels([PANEL * 1.5, PANEL * 1.2], title)
    for run in runs:
        steps, values = _scores(run)
        (line,) = score.plot(steps, values, label=run.name, **_markers(steps))
        mark_plateau(score, run, line.get_color(), text=False)
        _plot(loss, run.scalars, 'loss', run.name, smooth, color=line.get_color())
    score.set_ylabel('mIoU, % (dotted: stopped rising)')
    loss.set_ylabel('training loss')
    save(figure, [score, loss], path)


def stack_panels(
    heights: Sequence[float], title: str, sides: tuple[float, float] = (0.9, 0.4)
) -> tuple[Figure, list[Axes]]:
    """Makes panels one above the other, which share the axis of iterations.

    Places are counted out in inches: matplotlib's own layout takes seconds with 150 labels.

    Args:
        heights: Inches, from above.
        title: Text above them.
        sides: Inches left and right of them.
    """
    top, gap, bottom = 0.5, 0.25, 0.5
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
    """Adds grids, legends and the axis below, and writes the picture."""
    for panel in panels:
        panel.tick_params(labelbottom=panel is panels[-1])
        if panel.get_legend_handles_labels()[0]:
            panel.grid(alpha=0.3)
            if panel.get_legend() is None:
                panel.legend(fontsize='small')
    panels[-1].set_xlabel('iteration')
    with replacing(path) as part:
        figure.savefig(part, dpi=DPI, format='png')


def mark_plateau(axes: Axes, run: RunHistory, colour: str, text: bool = True) -> None:
    """Marks where mIoU stopped rising, and the best, with words or without."""
    steps, values = _scores(run)
    plateau = find_plateau(steps, values)
    if plateau is None:
        return
    if not plateau.is_rising:
        axes.axvline(steps[plateau.index], color=colour, linestyle=':', linewidth=1.2)
    if not text:
        return
    place, said = steps[plateau.index], 'stopped rising'
    if plateau.is_rising:
        place, said = steps[-1], 'still rising at the end'
    on_left = place > steps[-1] / 2  # where there is room
    axes.annotate(
        said, (place, 0.03), xycoords=('data', 'axes fraction'), fontsize=8, color=colour,
        xytext=(-4 if on_left else 4, 0), textcoords='offset points',
        ha='right' if on_left else 'left',
    )  # fmt: skip
    best = int(np.argmax(values))
    axes.annotate(
        f'{values[best]:.2f}', (steps[best], values[best]), textcoords='offset points',
        xytext=(0, 6), ha='center', fontsize=8, color=colour,
    )  # fmt: skip


def running_mean(values: Sequence[float], length: int) -> np.ndarray:
    """Averages each value with its neighbours, ``length`` in all; fewer at both ends."""
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(values, dtype=np.float64)]))
    places = np.arange(len(values))
    starts = np.maximum(0, places - (length - 1) // 2)
    ends = np.minimum(len(values), places + length // 2 + 1)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _scores(run: RunHistory) -> tuple[list[int], list[float]]:
    scored = run.scored
    return [entry['iter'] for entry in scored], [entry['metrics']['mIoU'] for entry in scored]


def _draw_losses(axes: Axes, run: RunHistory, smooth: int) -> None:
    terms = sorted({key for line in run.scalars for key in line if '.loss' in key})
    for name in ('loss', *terms) if len(terms) > 1 else ('loss',):
        is_sum = name == 'loss'
        _plot(axes, run.scalars, name, None, smooth, linewidth=1.6 if is_sum else 0.8)
    for name in _metric_names(run, losses=True):
        _plot_metric(axes, run, name, linestyle='--')
    axes.set_ylabel('loss')


def _draw_metrics(axes: Axes, run: RunHistory) -> None:
    for name in _metric_names(run, losses=False):
        line = _plot_metric(axes, run, name)
        if name == 'mIoU':
            mark_plateau(axes, run, line.get_color())
    axes.margins(y=0.12)
    axes.set_ylabel('validation, %')


def _metric_names(run: RunHistory, losses: bool) -> list[str]:
    names = dict.fromkeys(key for entry in run.validations for key in entry['metrics'])
    # counts of classes are no percentages
    return [name for name in names if ('loss' in name) == losses and 'classes' not in name]


def _plot_metric(axes: Axes, run: RunHistory, name: str, **style):
    entries = [entry for entry in run.validations if is_number(entry['metrics'].get(name))]
    steps = [entry['iter'] for entry in entries]
    values = [entry['metrics'][name] for entry in entries]
    return axes.plot(steps, values, label=name, **_markers(steps), **style)[0]


def _markers(steps: Sequence[int]) -> dict:
    # beyond that they would run together
    return dict(marker='o', markersize=3) if len(steps) <= 60 else {}


def _plot(
    axes: Axes, scalars: list[dict], name: str, label: str | None = None, smooth: int = 1, **style
) -> None:
    lines = [line for line in scalars if name in line]
    steps, values = [line['step'] for line in lines], [line[name] for line in lines]
    if smooth > 1:
        (raw,) = axes.plot(steps, values, **(style | dict(linewidth=0.5, alpha=0.35)))
        style.setdefault('color', raw.get_color())
        values = running_mean(values, smooth)
    axes.plot(steps, values, label=label or name, **style)
