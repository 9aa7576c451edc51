"""A sweep of learning rates as a table and as a picture."""

from pathlib import Path
from statistics import mean

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from mmseg_ext.hooks.fine_tune_guard_hook import COLLAPSED
from mmseg_ext.records.files import replacing

MARKERS = dict(keeps='o', loses='v', collapses='X')


def print_sweep(result: dict) -> None:
    """Prints a line a run of ``sweep_rates``: rate, mIoU over time, loss, guard, verdict.

    The guard's column says of what it spoke: when the checkpoint was loaded of the rate, after the
    first validation of the score.
    """
    before = result['before']
    title = f'{Path(result["config"]).stem}, from {before["mIoU"]:.2f} mIoU'
    # a terminal of 80 columns has no room for a frame
    table = Table(title=title, show_edge=False, pad_edge=False)
    for heading in ('rate', 'times', 'seed', 'first', 'last', 'loss'):
        table.add_column(heading, justify='right', no_wrap=heading != 'loss')
    table.add_column('guard')
    table.add_column('verdict', no_wrap=True)
    for run in result['runs']:
        scores = (run['curve'][0]['mIoU'], run['last']['mIoU'])
        table.add_row(
            f'{run["lr"]:g}',
            '' if run['factor'] is None else f'{run["factor"]:.4g}',
            str(run['seed']),
            *(f'{score:.2f}' for score in scores),
            f'{_number(run["first_loss"])} to {_number(run["last_loss"])}',
            ', '.join(what for what, said in run['guard'].items() if said),
            run['verdict'],
        )
    Console().print(table)


def draw_sweep(path: Path, result: dict) -> None:
    """Writes ``make_figure(result)`` to a PNG file."""
    figure = make_figure(result)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format='png')


def make_figure(result: dict) -> Figure:
    """Draws mIoU over training, a line a run, and beside it the last mIoU over the rate.

    Args:
        result: Of ``sweep_rates``.
    """
    runs, before = result['runs'], result['before']
    rates = sorted({run['lr'] for run in runs})
    # by rank, which keeps close rates apart; the end of the map is too pale for a line
    shades = colormaps['plasma'](np.linspace(0, 0.9, len(rates)))
    colours = dict(zip(rates, shades, strict=True))
    figure = Figure(figsize=(10, 5), layout='constrained')
    over_time, over_rate = figure.subplots(1, 2, sharey=True, width_ratios=(1.2, 1))
    _draw_curves(over_time, runs, before, colours)
    _draw_rates(over_rate, result, colours)
    for axes, columns, is_named in ((over_time, 4, False), (over_rate, 3, True)):
        score = before['mIoU']
        for height, name, style in (
            (score, f'the checkpoint, {score:.2f}', dict(color='black', linestyle='--')),
            (COLLAPSED * score, 'half of it', dict(color='grey', linestyle=':')),
        ):
            axes.axhline(height, linewidth=1, label=name if is_named else None, **style)
        axes.grid(alpha=0.3)
        # below, where no line can run under it
        place = dict(loc='upper center', bbox_to_anchor=(0.5, -0.2))
        axes.legend(fontsize='small', ncols=columns, frameon=False, **place)
    over_time.set_ylim(bottom=0)
    return figure


def _draw_curves(axes: Axes, runs: list[dict], before: dict, colours: dict) -> None:
    named = set()
    for run in runs:
        steps = [0, *(point['iter'] for point in run['curve'])]
        scores = [before['mIoU'], *(point['mIoU'] for point in run['curve'])]
        rate, factor = run['lr'], run['factor']
        label = f'{rate:g}' + ('' if factor is None else f' ({factor:.4g}x)')
        axes.plot(
            steps,
            scores,
            color=colours[rate],
            marker='o',
            markersize=3,
            linewidth=1.4,
            alpha=0.9,
            label=None if rate in named else label,
        )
        named.add(rate)
    axes.set_xlabel('iteration')
    axes.set_title('during the training', fontsize='medium')
    axes.set_ylabel('mIoU, %')


def _draw_rates(axes: Axes, result: dict, colours: dict) -> None:
    runs = result['runs']
    rates = sorted({run['lr'] for run in runs})
    means = [mean(run['last']['mIoU'] for run in runs if run['lr'] == rate) for rate in rates]
    axes.plot(rates, means, color='grey', linewidth=1, zorder=1)
    for run in runs:
        axes.scatter(
            run['lr'],
            run['last']['mIoU'],
            color=colours[run['lr']],
            marker=MARKERS[run['verdict']],
            s=45,
            zorder=2,
        )
    for verdict, marker in MARKERS.items():
        if any(run['verdict'] == verdict for run in runs):
            axes.scatter([], [], color='grey', marker=marker, s=45, label=verdict)
    axes.set_xscale('log')
    axes.set_xticks(rates, [f'{rate:g}' for rate in rates], fontsize='small', rotation=45)
    axes.set_xticks([], minor=True)
    edge = speaks_from(result)
    if edge is not None:
        right = axes.get_xlim()[1]
        axes.axvspan(edge, right, color='tab:red', alpha=0.12, label='the guard warns', zorder=0)
        axes.set_xlim(right=right)
    axes.set_xlabel('learning rate')
    axes.set_title('after the training', fontsize='medium')


def speaks_from(result: dict) -> float | None:
    """The rate from which the guard spoke about the rate; None where it kept silent.

    It lies at ``guards.peak_rate_ratio`` times the checkpoint's, where schedules and multipliers
    are those of the checkpoint; else, as the guard compares peaks, somewhere between the last rate
    at which it was silent and the first at which it spoke. With neither it is that first one.
    """
    spoke = [run['lr'] for run in result['runs'] if run['guard']['rate']]
    silent = [run['lr'] for run in result['runs'] if not run['guard']['rate']]
    if not spoke:
        return None
    first = min(spoke)
    nominal = result['speaks_from'] * (result['before']['lr'] or 0)
    slower = [rate for rate in silent if rate < first]
    # neither: a shade from 0 on would fill the whole of a logarithmic axis
    return min(first, max([nominal, *slower]) or first)


def _number(loss: float | None) -> str:
    return 'nothing' if loss is None else f'{loss:.2g}'
