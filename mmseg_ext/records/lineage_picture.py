"""The family tree as a picture."""

import textwrap
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from .files import check_output, replacing
from .leaf_docstring import STATUSES
from .lineage_tree import COLOURS, Row, best_run, score_of, short_path, short_text

SUFFIXES = ('.png', '.svg', '.pdf')  # what matplotlib writes without a second program
# inches
TOP, BOTTOM, HEADING = 0.45, 0.15, 0.25
LINE, PADDING, INDENT, GAP, BAR = 0.15, 0.1, 0.22, 0.3, 1.1
POINTS = 8.5  # size of the letters
MAX_LINES, MAX_LETTERS = 3, 84  # of the changes


@dataclass(frozen=True)
class _Entry:
    """What a row of the picture says."""

    row: Row
    changes: list[str]
    run: str

    @property
    def height(self) -> float:
        return max(1, len(self.changes)) * LINE + PADDING

    @property
    def indent(self) -> float:
        return INDENT * (self.row.depth + 1)


class _Columns(NamedTuple):
    """Where each column begins, from the left, and where the picture ends."""

    status: float
    bar: float
    result: float
    run: float
    change: float
    end: float


def draw_tree(path: Path, rows: list[Row], work_dirs: Path | None = None) -> None:
    """Draws one row a leaf: its place in the tree, status, mIoU, and what it changed.

    Args:
        path: File to write, with one of ``SUFFIXES``.
        rows: From ``grow``, at least one.
        work_dirs: If given, the best result of each leaf's run there.

    Raises:
        UsageError: From ``check_output``.
    """
    check_output(path, SUFFIXES)
    entries = [
        _Entry(row, _changes(row), best_run(row.leaf, work_dirs) if work_dirs else '')
        for row in rows
    ]
    columns = _place(entries)
    tops = list(accumulate((entry.height for entry in entries), initial=TOP))
    figure = Figure(figsize=(columns.end, tops[-1] + BOTTOM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, columns.end), ylim=(tops[-1] + BOTTOM, 0))
    axes.set_axis_off()
    for top, entry in list(zip(tops, entries, strict=False))[::2]:
        stripe = Rectangle((0, top), columns.end, entry.height, color='0.96', linewidth=0)
        axes.add_patch(stripe)
    _draw_headings(axes, columns)
    middles = [top + LINE / 2 + PADDING / 2 for top in tops]
    _draw_elbows(axes, entries, middles)
    for entry, y in zip(entries, middles, strict=False):
        _draw_entry(axes, columns, entry, y)
    with replacing(path) as part:
        figure.savefig(part, dpi=130)


def _place(entries: list[_Entry]) -> _Columns:
    """Makes each column as wide as its widest text."""
    status = GAP + max(entry.indent + _width(entry.row.name) for entry in entries)
    bar = status + 0.25 + max(map(_width, STATUSES)) + GAP
    result = bar + BAR + 0.1
    run = result + max(_width(entry.row.leaf.headline) for entry in entries) + GAP
    runs = [entry.run for entry in entries]
    change = run + (max(map(_width, [*runs, 'best run'])) + GAP if any(runs) else 0)
    end = change + max(_width(line) for entry in entries for line in [*entry.changes, '']) + GAP
    return _Columns(status, bar, result, run, change, end)


def _draw_headings(axes: Axes, columns: _Columns) -> None:
    headings = {
        INDENT: 'version', columns.status: 'status', columns.bar: 'mIoU', columns.run: 'best run',
        columns.change: 'changed',  # in the place of the runs, where there are none
    }  # fmt: skip
    for x, text in headings.items():
        _write(axes, x, HEADING, text, weight='bold')


def _draw_elbows(axes: Axes, entries: list[_Entry], middles: list[float]) -> None:
    knots: dict[int, float] = {}  # where the newest leaf of each depth hangs
    for entry, y in zip(entries, middles, strict=False):
        depth = entry.row.depth
        knots[depth] = y
        if depth:
            x = entry.indent - INDENT + 0.06
            line = [knots[depth - 1] + 0.08, y, y]
            axes.plot([x, x, entry.indent - 0.03], line, color='0.6', linewidth=0.9)


def _draw_entry(axes: Axes, columns: _Columns, entry: _Entry, y: float) -> None:
    row, leaf = entry.row, entry.row.leaf
    colour, score = COLOURS[leaf.status], score_of(leaf)
    _write(axes, entry.indent, y, row.name, weight='normal' if row.depth else 'bold')
    axes.plot([columns.status + 0.08], [y], marker='o', color=colour, markersize=6)
    _write(axes, columns.status + 0.25, y, leaf.status)
    if score is not None:
        outline = dict(edgecolor='0.75', facecolor='white', linewidth=0.6)
        corner = (columns.bar, y - 0.05)
        axes.add_patch(Rectangle(corner, BAR, 0.1, **outline))
        axes.add_patch(Rectangle(corner, BAR * score / 100, 0.1, color=colour))
    _write(axes, columns.result, y, leaf.headline, color='0.55' if score is None else 'black')
    _write(axes, columns.run, y, entry.run)
    for number, line in enumerate(entry.changes):
        _write(axes, columns.change, y + number * LINE, line, color='0.25')


def _changes(row: Row) -> list[str]:
    text = '; '.join(f'{short_path(each)} {short_text(each)}' for each in row.leaf.changes)
    return textwrap.wrap(text, MAX_LETTERS, max_lines=MAX_LINES, placeholder=' ...')


def _write(axes: Axes, x: float, y: float, text: str, **style) -> None:
    axes.text(x, y, text, size=POINTS, va='center_baseline', parse_math=False, **style)


def _width(text: str) -> float:
    """Of a text in bold, in inches."""
    font = FontProperties(size=POINTS, weight='bold')
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72
