"""The family tree as a picture."""

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from .files import replacing
from .leaf_docstring import STATUSES
from .lineage_tree import Row, best_run, score_of, short_path, short_text

COLOURS = dict(
    zip(STATUSES, ('tab:blue', 'tab:green', 'tab:orange', 'tab:red'), strict=True)
)  # fmt: skip
# inches
LINE, PADDING, INDENT, GAP, BAR = 0.15, 0.1, 0.22, 0.3, 1.1
POINTS = 8.5  # size of the letters
MAX_LINES, MAX_LETTERS = 3, 84  # of the changes


def draw_tree(path: Path, rows: list[Row], work_dirs: Path | None = None) -> None:
    """Draws one row a leaf: its place in the tree, status, mIoU, and what it changed.

    Args:
        path: PNG file to write.
        rows: From ``grow``, at least one.
        work_dirs: If given, the best result of each leaf's run there.
    """
    names = [row.name for row in rows]
    changes = [_changes(row) for row in rows]
    runs = [best_run(row.leaf, work_dirs) if work_dirs else '' for row in rows]
    headlines = [row.leaf.headline for row in rows]
    # what stands where, from the left
    status = GAP + max(
        INDENT * (row.depth + 1) + _width(name) for row, name in zip(rows, names, strict=True)
    )
    bar = status + 0.25 + max(map(_width, STATUSES)) + GAP
    result = bar + BAR + 0.1
    run = result + max(map(_width, headlines)) + GAP
    change = run + (max(map(_width, [*runs, 'best run'])) + GAP if any(runs) else 0)
    width = change + max(_width(line) for lines in changes for line in [*lines, '']) + GAP
    heights = [max(1, len(lines)) * LINE + PADDING for lines in changes]
    height = sum(heights) + 0.6

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    headings = {INDENT: 'version', status: 'status', bar: 'mIoU', change: 'changed'}
    if any(runs):
        headings[run] = 'best run'
    for x, text in headings.items():
        _write(axes, x, 0.25, text, weight='bold')
    tops = [0.45 + sum(heights[:index]) for index in range(len(rows))]
    knots: dict[int, float] = {}  # where the newest leaf of each depth hangs
    for index, row in enumerate(rows):
        top, leaf, x = tops[index], row.leaf, INDENT * (row.depth + 1)
        y = top + LINE / 2 + PADDING / 2
        colour = COLOURS[leaf.status]
        if index % 2 == 0:
            axes.add_patch(Rectangle((0, top), width, heights[index], color='0.96', linewidth=0))
        if row.depth:
            _elbow(axes, x - INDENT + 0.06, knots[row.depth - 1], x - 0.03, y)
        knots[row.depth] = y
        _write(axes, x, y, names[index], weight='normal' if row.depth else 'bold')
        axes.plot([status + 0.08], [y], marker='o', color=colour, markersize=6)
        _write(axes, status + 0.25, y, leaf.status)
        score = score_of(leaf)
        if score is not None:
            outline = dict(edgecolor='0.75', facecolor='white', linewidth=0.6)
            axes.add_patch(Rectangle((bar, y - 0.05), BAR, 0.1, **outline))
            axes.add_patch(Rectangle((bar, y - 0.05), BAR * score / 100, 0.1, color=colour))
        tone = 'black' if score is not None else '0.55'
        _write(axes, result, y, leaf.headline, color=tone)
        _write(axes, run, y, runs[index])
        for number, line in enumerate(changes[index]):
            _write(axes, change, y + number * LINE, line, color='0.25')
    with replacing(path) as part:
        figure.savefig(part, dpi=130, format='png')


def _changes(row: Row) -> list[str]:
    text = '; '.join(f'{short_path(each)} {short_text(each)}' for each in row.leaf.changes)
    return textwrap.wrap(text, MAX_LETTERS, max_lines=MAX_LINES, placeholder=' ...')


def _write(axes: Axes, x: float, y: float, text: str, **style) -> None:
    axes.text(x, y, text, size=POINTS, va='center_baseline', parse_math=False, **style)


def _elbow(axes: Axes, x: float, top: float, right: float, y: float) -> None:
    axes.plot([x, x, right], [top + 0.08, y, y], color='0.6', linewidth=0.9)


def _width(text: str) -> float:
    """Of a text in bold, in inches."""
    font = FontProperties(size=POINTS, weight='bold')
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72
