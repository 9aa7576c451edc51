"""The panel of the loss and its terms."""

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from .curve_panels import add_legend, mark_points, pick_colours
from .run_history import RunHistory

MAX_TERMS = 6  # that are drawn one by one
LAYER = re.compile(r'(?<=\.)d\d+\.')  # of a decoder, as Mask2Former names its terms


def draw_losses(axes: Axes, run: RunHistory, smooth: int = 1) -> None:
    """Draws the loss, its terms if there are several, and, dashed, those of validations.

    Args:
        axes: Panel.
        run: What it logged.
        smooth: Logged steps that the bold lines are averaged over.
    """
    scalars = sum_layers(run.scalars)
    scores = sum_layers([entry['metrics'] for entry in run.validations])
    terms = sorted({key for line in scalars for key in line if '.loss' in key})
    names = ['loss', *terms] if len(terms) > 1 else ['loss']
    validated = list(dict.fromkeys(key for line in scores for key in line if 'loss' in key))
    colours = pick_colours(len(names) + len(validated))
    steps = [line['step'] for line in scalars]
    for name, colour in zip(names, colours, strict=False):
        style = dict(color=colour, linewidth=1.6 if name == 'loss' else 0.8)
        plot_logged(axes, steps, scalars, name, name, smooth, **style)
    steps = [entry['iter'] for entry in run.validations]
    for name, colour in zip(validated, colours[len(names) :], strict=True):
        style = dict(color=colour, linestyle='--', **mark_points(steps))
        plot_logged(axes, steps, scores, name, name, **style)
    axes.set_ylabel('loss' if scalars == run.scalars else 'loss; terms summed over layers')
    add_legend(axes)


def sum_layers(lines: Sequence[dict]) -> list[dict]:
    """Sums the terms of a decoder's layers where there are more than six terms.

    Args:
        lines: Values by name.

    Returns:
        The same with ``decode.loss_cls`` for ``decode.loss_cls``, ``decode.d0.loss_cls`` and so on.
    """
    terms = {key for line in lines for key in line if '.loss' in key}
    if len(terms) <= MAX_TERMS:
        return list(lines)
    summed = []
    for line in lines:
        sums = {key: value for key, value in line.items() if key not in terms}
        for key in line.keys() & terms:
            name = LAYER.sub('', key)
            sums[name] = sums.get(name, 0.0) + line[key]
        summed.append(sums)
    return summed


def plot_logged(
    axes: Axes,
    steps: Sequence[int],
    lines: Sequence[dict],
    name: str,
    label: str,
    smooth: int = 1,
    **style,
) -> None:
    """Plots one value of logged lines; averaged, with the raw one thin behind it.

    Args:
        axes: Panel.
        steps: Iterations of the lines.
        lines: Values by name; those without the value are left out.
        name: Of the value.
        label: For the legend.
        smooth: Lines to average over; 1: none.
        **style: For matplotlib.
    """
    found = [(step, line[name]) for step, line in zip(steps, lines, strict=True) if name in line]
    places = [step for step, _ in found]
    values = np.array([value for _, value in found], dtype=np.float64)
    if smooth > 1:
        axes.plot(places, values, **(style | dict(linewidth=0.5, alpha=0.35)))
        values = running_mean(values, smooth)
    axes.plot(places, values, label=label, **style)


def running_mean(values: Sequence[float], length: int) -> np.ndarray:
    """Averages each value with as many neighbours before it as behind it.

    At both ends there are fewer of either, so that a trend is not bent there.

    Args:
        values: Those that are not finite count for nothing.
        length: How many values one is averaged over, itself included; an even one counts as the
            next odd one.

    Returns:
        One a value, nan where there is none to average.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(finite, values, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], finite]))
    places = np.arange(len(values))
    reach = np.minimum(length // 2, np.minimum(places, places[::-1]))
    starts, ends = places - reach, places + reach + 1
    number = counts[ends] - counts[starts]
    return np.where(number > 0, sums[ends] - sums[starts], np.nan) / np.maximum(number, 1)
