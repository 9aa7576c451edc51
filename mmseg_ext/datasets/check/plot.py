"""The class shares of each split as a picture."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmseg_ext.records.files import replacing

from .labels import Histogram

ROWS = 50  # classes in a column
MARKERS = 'osd'
COLOURS = ('tab:blue', 'tab:orange', 'tab:green')


def plot_shares(path: Path, histograms: Mapping[str, Histogram], title: str = '') -> None:
    """Draws the share of each class in the labelled pixels, log scale, the largest first.

    Args:
        path: PNG file to write.
        histograms: By split, at least one; the first gives the order of the classes.
        title: Text above.
    """
    first = next(iter(histograms.values()))
    order = np.argsort(-first.pixels, kind='stable')
    columns = math.ceil(len(order) / ROWS)
    rows = math.ceil(len(order) / columns)
    figure = Figure(figsize=(4.4 * columns + 1.2 * (columns == 1), 0.17 * rows + 1.5))
    axes = figure.subplots(1, columns, squeeze=False, sharex=True)[0]
    shares = {split: 100 * each.shares for split, each in histograms.items()}
    seen = np.concatenate([each[each > 0] for each in shares.values()])
    low = 10 ** math.floor(math.log10(seen.min())) if len(seen) else 1e-4
    for cell, chosen in zip(axes, np.array_split(order, columns), strict=True):
        places = np.arange(len(chosen))
        for number, (split, share) in enumerate(shares.items()):
            values = np.array([share[index] if index < len(share) else 0 for index in chosen])
            there = values > 0
            style = dict(color=COLOURS[number], linestyle='none', markersize=4.5)
            cell.plot(
                values[there], places[there], marker=MARKERS[number], label=split, alpha=0.8,
                **style,
            )  # fmt: skip
            # at the edge, where a share of nothing would be
            cell.plot(
                np.full((~there).sum(), low / 2), places[~there] + 0.25 * number - 0.25,
                marker='x', **style,
            )  # fmt: skip
        cell.set_xscale('log')
        cell.xaxis.set_major_formatter('{x:g}')
        cell.set_xlim(low / 3, 130)
        cell.set_ylim(len(chosen) - 0.5, -0.5)
        cell.set_yticks(places, [f'{first.classes[i]} {i}' for i in chosen], fontsize=7)
        cell.tick_params(axis='x', labelsize=7)
        cell.grid(True, color='0.9', linewidth=0.6)
        cell.set_axisbelow(True)
        cell.spines[['top', 'right']].set_visible(False)
        cell.set_xlabel('percent of the labelled pixels', fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color='grey', linestyle='none', marker='x', markersize=4.5))
    labels.append('never')
    height = figure.get_figheight()
    figure.legend(
        handles, labels, loc='upper center', bbox_to_anchor=(0.5, 1 - 0.3 / height),
        ncols=len(labels), fontsize=8, frameon=False,
    )  # fmt: skip
    figure.suptitle(title, fontsize=10, y=1 - 0.1 / height, va='top')
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.25 / height))
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format='png')
