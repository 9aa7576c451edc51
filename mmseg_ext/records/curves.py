"""Curves of a run as a picture."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .files import replacing
from .history import best_of, read_scalars, read_validations


def draw_curves(work_dir: Path) -> Path | None:
    """Draws loss, learning rate and validation metrics over iterations to ``curves.png``.

    Args:
        work_dir: The run's folder.

    Returns:
        The picture, or None if nothing was logged yet.
    """
    scalars, validations = read_scalars(work_dir), read_validations(work_dir)
    if not scalars:
        return None
    figure = Figure(figsize=(9, 9), layout='constrained')
    figure.suptitle(work_dir.name)
    loss, rate, score = figure.subplots(3, 1, sharex=True)
    names = ('loss', *sorted({key for line in scalars for key in line if '.loss' in key}))
    for name in names if len(names) > 2 else ('loss',):
        _plot(loss, scalars, name, linewidth=1.6 if name == 'loss' else 0.8)
    loss.set_ylabel('training loss')
    _plot(rate, scalars, 'base_lr' if 'base_lr' in scalars[0] else 'lr')
    rate.set_ylabel('learning rate')
    metrics = dict.fromkeys(key for entry in validations for key in entry['metrics'])
    for name in metrics:
        steps = [entry['iter'] for entry in validations if name in entry['metrics']]
        values = [entry['metrics'][name] for entry in validations if name in entry['metrics']]
        score.plot(steps, values, marker='o', markersize=3, label=name)
    _mark_best(score, validations)
    score.set_ylabel('validation, %')
    score.set_xlabel('iteration')
    for axes in (loss, rate, score):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize='small')
    path = work_dir / 'curves.png'
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format='png')
    return path


def _plot(axes: Axes, scalars: list[dict], name: str, **style) -> None:
    lines = [line for line in scalars if name in line]
    axes.plot([line['step'] for line in lines], [line[name] for line in lines], label=name, **style)


def _mark_best(axes: Axes, validations: list[dict]) -> None:
    best = best_of(validations)
    if best:
        text = f'{best["metrics"]["mIoU"]:.2f}'
        place = (best['iter'], best['metrics']['mIoU'])
        axes.annotate(text, place, textcoords='offset points', xytext=(0, 7), ha='center')
