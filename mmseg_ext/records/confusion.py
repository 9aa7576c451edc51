"""The confusion matrix of an evaluation, in files and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmseg_ext.engine.class_names import find_classes
from mmseg_ext.engine.errors import UsageError

from .files import replacing

CELL = 0.14  # inches a class, so that names stay readable when zoomed
MAX_NUMBERED = 25  # classes whose cells have room for a number
MAX_NAMED = 180  # above, names take many seconds and gigabytes: 71 s and 7.7 GB at 847 classes
UNNAMED_SIDE = 20  # inches of a matrix without names
LISTED = (12, 45)  # strongest confusions beside the matrix: at least, at most
CHARACTER = 0.075  # inches of the width of one in the list


def write_confusion(path: Path, confusion: np.ndarray, classes: Sequence[str]) -> None:
    """Saves a matrix.

    Args:
        path: NPZ file to write: ``confusion`` and ``classes``.
        confusion: Pixels, (C, C), int64; rows are true, columns predicted classes.
        classes: C names.
    """
    with replacing(path) as part, part.open('wb') as handle:
        np.savez_compressed(handle, confusion=confusion, classes=np.array(classes, dtype=str))


def read_confusion(path: Path) -> tuple[np.ndarray, list[str]]:
    """Reads what ``write_confusion`` saved.

    Args:
        path: The file, or the folder in which it lies as ``confusion.npz``.

    Returns:
        The matrix, (C, C), and the names.

    Raises:
        UsageError: The file is not there, or holds something else.
    """
    path = confusion_file(path)
    if not path.is_file():
        raise UsageError(f'there is no {path}; a validation or test writes confusion.npz')
    try:
        with np.load(path, allow_pickle=False) as content:
            confusion, classes = content['confusion'], content['classes'].tolist()
    # a file of another kind is a torn zip, a pickle or an array, which all fail in their own way
    except Exception as error:
        # the error is not cited: NumPy's own advises to load pickles, which can run any program
        raise UsageError(
            f'{path} holds no confusion matrix; name the confusion.npz of a run, or its folder'
        ) from error
    if confusion.shape != (len(classes), len(classes)):
        raise UsageError(f'{path}: matrix {confusion.shape} for {len(classes)} classes')
    return confusion, classes


def confusion_file(path: Path) -> Path:
    """The file that a user means: ``confusion.npz`` of a folder, else what is named."""
    return path / 'confusion.npz' if path.is_dir() else path


def strongest_confusions(
    confusion: np.ndarray, classes: Sequence[str], count: int
) -> list[tuple[str, str, float, float]]:
    """The classes that take the most pixels of another.

    Args:
        confusion: (C, C).
        classes: C names.
        count: How many to give at most.

    Returns:
        True class, predicted class, share of the true class's pixels and share of all; most pixels
        first.
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind='stable')[:count]
    found = []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if pixels := int(wrong[row, column]):
            shares = pixels / int(confusion[row].sum()), pixels / int(confusion.sum())
            found.append((classes[row].strip(), classes[column].strip(), *shares))
    return found


def draw_confusion(
    path: Path,
    confusion: np.ndarray,
    classes: Sequence[str],
    title: str = '',
    chosen: Sequence[str] | None = None,
) -> None:
    """Draws a matrix, each row as shares of its true class, and lists the strongest confusions.

    Above ``MAX_NAMED`` classes the axes have numbers of classes in place of their names.

    Args:
        path: PNG file to write.
        confusion: Pixels, (C, C); rows are true, columns predicted classes.
        classes: C names.
        title: Text above.
        chosen: Names to draw, in the order of classes; the predictions of others become one column.

    Raises:
        UsageError: ``chosen`` names a class that there is not.
    """
    columns = list(classes)
    if chosen is not None:
        confusion, classes, columns = _choose(confusion, list(classes), chosen)
    true = confusion.sum(1, keepdims=True)
    shares = np.where(true > 0, confusion / np.maximum(true, 1), np.nan)
    side = max(3.2, len(columns) * (0.42 if len(classes) <= MAX_NUMBERED else CELL))
    names = 0.075 * max(map(len, columns)) + 0.5  # inches of the longest one
    if len(columns) > MAX_NAMED:
        side, names = UNNAMED_SIDE, 0.5
    lines = _list_confusions(confusion, columns) if chosen is None else []
    listed = CHARACTER * max(map(len, lines), default=0)
    figure = Figure(figsize=(side + names + listed + 0.9, side + names + 1.0), layout='constrained')
    parts = [side + names + 0.9, listed] if lines else [1]
    axes, *beside = np.atleast_1d(figure.subplots(1, len(parts), width_ratios=parts))
    _draw_matrix(figure, axes, shares, classes, columns)
    for place in beside:
        place.axis('off')
        style = dict(va='top', family='monospace', size=8, linespacing=1.4)
        place.text(0, 1, '\n'.join(lines), transform=place.transAxes, **style)
    figure.suptitle(title or 'share of each true class')
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format='png')


def _draw_matrix(
    figure: Figure,
    axes: Axes,
    shares: np.ndarray,
    classes: Sequence[str],
    columns: Sequence[str],
) -> None:
    numbered = len(classes) <= MAX_NUMBERED
    axes.set_facecolor('0.9')  # rows of classes that never occur
    # the square root brings out the small shares, which are the confusions
    image = axes.imshow(np.sqrt(shares), cmap='Blues', vmin=0, vmax=1, aspect='auto')
    size = 8 if numbered else 6
    if len(columns) <= MAX_NAMED:
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
        axes.set_yticks(range(len(classes)), classes, fontsize=size)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    if numbered:
        for row, column in np.argwhere(np.nan_to_num(shares) >= 0.01):
            share = shares[row, column]
            colour = 'white' if share > 0.3 else 'black'
            axes.text(
                column, row, f'{100 * share:.0f}', color=colour, size=7, ha='center', va='center'
            )
    elif len(columns) <= MAX_NAMED:
        # lines between every ten classes, to follow a row across the sheet
        places = np.arange(9.5, len(classes), 10)
        axes.hlines(places, -0.5, len(columns) - 0.5, color='0.8', linewidth=0.4)
        axes.vlines(places, -0.5, len(classes) - 0.5, color='0.8', linewidth=0.4)
    bar = figure.colorbar(image, ax=axes, aspect=40, shrink=0.6, pad=0.01)
    ticks = np.array([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
    bar.set_ticks(np.sqrt(ticks), labels=[f'{share:.0%}' for share in ticks], fontsize=7)


def _list_confusions(confusion: np.ndarray, classes: Sequence[str]) -> list[str]:
    fewest, most = LISTED
    strongest = strongest_confusions(confusion, classes, min(max(fewest, len(classes) // 3), most))
    if not strongest:
        return []
    lines = ['what costs the most pixels', '', 'of the  of all', ' class  pixels  true > predicted']
    return lines + [
        f'{of_class:6.1%}  {of_all:6.2%}  {true} > {predicted}'
        for true, predicted, of_class, of_all in strongest
    ]


def _choose(
    confusion: np.ndarray, classes: list[str], chosen: Sequence[str]
) -> tuple[np.ndarray, list[str], list[str]]:
    rows = find_classes(chosen, classes)
    taken = confusion[rows]
    others = taken.sum(1, keepdims=True) - taken[:, rows].sum(1, keepdims=True)
    names = [classes[row] for row in rows]
    return np.hstack([taken[:, rows], others]), names, [*names, '(others)']
