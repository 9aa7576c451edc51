"""Curves of a run as a picture."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from .class_curves import class_panel_height, class_panel_sides, draw_classes
from .curve_panels import LINE, add_legend, mark_points, pick_colours, save, stack_panels
from .loss_curves import draw_losses, plot_logged
from .plateau import find_plateau
from .run_history import RunHistory, gather_run, is_number

PANEL = 2.6  # inches
AXIS = 0.4  # inches that the axis of epochs needs


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
    run = gather_run(work_dir)
    if not run.scalars:
        return None
    path = path or work_dir / 'curves.png'
    draw_run(run, path, classes, smooth)
    return path


def draw_run(
    run: RunHistory, path: Path, classes: Sequence[str] | None = None, smooth: int = 1
) -> None:
    """Draws the panels of one run: of what it logged, no empty ones.

    Args:
        run: What it logged.
        path: PNG file to write.
        classes: As for ``draw_curves``.
        smooth: As for ``draw_curves``.

    Raises:
        UsageError: An unknown class.
    """
    chosen = run.choose(classes)
    drawers = [(PANEL, partial(draw_losses, run=run, smooth=smooth))]
    rates = [name for name in ('base_lr', 'lr') if any(name in line for line in run.scalars)]
    if rates:
        drawers.append((PANEL * 0.6, partial(_draw_rate, run=run, name=rates[0])))
    if _metric_names(run):
        drawers.append((PANEL, partial(_draw_metrics, run=run)))
    if chosen:
        height = class_panel_height(len(chosen))
        drawers.append((height, partial(draw_classes, validations=run.validations, classes=chosen)))
    length = run.epoch_length
    heights = [height for height, _ in drawers]
    sides = class_panel_sides(len(chosen))
    figure, panels = stack_panels(heights, run.name, sides, AXIS if length else 0.0)
    for panel, (_, draw) in zip(panels, drawers, strict=True):
        draw(panel)
    if length:
        functions = (lambda step: step / length, lambda epoch: epoch * length)
        panels[0].secondary_xaxis('top', functions=functions).set_xlabel('epoch')
    if not run.validations:
        panels[0].set_title('no validation yet', loc='right', fontsize=8)
    save(figure, panels, path)


def draw_comparison(runs: Sequence[RunHistory], path: Path, smooth: int = 1) -> None:
    """Draws mIoU and training loss of several runs over iterations.

    Args:
        runs: At least one.
        path: PNG file to write.
        smooth: As for ``draw_curves``.
    """
    above = 0.1 + LINE * len(runs)
    heights = [PANEL * 1.5, PANEL * 1.2]
    figure, (score, loss) = stack_panels(heights, f'{len(runs)} runs', (0.9, 0.4), above)
    for run, colour in zip(runs, pick_colours(len(runs)), strict=True):
        steps, values = _scores(run)
        score.plot(steps, values, label=run.name, color=colour, **mark_points(steps))
        mark_plateau(score, run, colour, text=False)
        steps = [line['step'] for line in run.scalars]
        plot_logged(loss, steps, run.scalars, 'loss', run.name, smooth, color=colour)
    # names are long: above the panels they cover nothing
    score.legend(fontsize=8, loc='lower left', bbox_to_anchor=(0.0, 1.0), frameon=False)
    score.set_ylabel('mIoU, % (dotted: stopped rising)')
    loss.set_ylabel('training loss')
    save(figure, [score, loss], path)


def mark_plateau(axes: Axes, run: RunHistory, colour, text: bool = True) -> None:
    """Marks where mIoU stopped rising; with words also the best, and what can be said."""
    steps, values = _scores(run)
    plateau = find_plateau(steps, values)
    if plateau and not plateau.is_rising:
        axes.axvline(steps[plateau.index], color=colour, linestyle=':', linewidth=1.2)
    if not text or not values:
        return
    said = 'mIoU stopped rising (dotted)'
    if plateau is None:
        said = 'too few validations to say whether mIoU is rising'
    elif plateau.is_rising:
        said = 'mIoU is still rising at the end'
    # above the panel, where it can neither leave it nor hide a curve
    axes.set_title(said, loc='right', fontsize=8, color=colour)
    best = int(np.argmax(values))
    axes.annotate(
        f'{values[best]:.2f}', (steps[best], values[best]), textcoords='offset points',
        xytext=(0, 6), ha='center', fontsize=8, color=colour,
    )  # fmt: skip


def _scores(run: RunHistory) -> tuple[list[int], list[float]]:
    scored = run.scored
    return [entry['iter'] for entry in scored], [entry['metrics']['mIoU'] for entry in scored]


def _draw_rate(axes: Axes, run: RunHistory, name: str) -> None:
    plot_logged(axes, [line['step'] for line in run.scalars], run.scalars, name, name)
    axes.set_ylabel('learning rate')
    add_legend(axes)


def _draw_metrics(axes: Axes, run: RunHistory) -> None:
    names = _metric_names(run)
    for name, colour in zip(names, pick_colours(len(names)), strict=True):
        entries = [entry for entry in run.validations if is_number(entry['metrics'].get(name))]
        steps = [entry['iter'] for entry in entries]
        values = [entry['metrics'][name] for entry in entries]
        axes.plot(steps, values, label=name, color=colour, **mark_points(steps))
        if name == 'mIoU':
            mark_plateau(axes, run, colour)
    axes.margins(y=0.12)
    axes.set_ylabel('validation, %')
    add_legend(axes)


def _metric_names(run: RunHistory) -> list[str]:
    # losses have a panel of their own, counts of classes are no percentages
    return list(
        dict.fromkeys(
            name
            for entry in run.validations
            for name, value in entry['metrics'].items()
            if is_number(value) and 'loss' not in name and 'classes' not in name
        )
    )
