"""A folder of predictions: masks, overlays and the shares of the classes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import mmcv
import numpy as np
from rich.console import Console
from rich.table import Table

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import read_json, replacing, write_json
from mmseg_ext.records.masks import MaskEncoding, write_mask
from mmseg_ext.records.panels import add_legend, write_picture

from .inputs import RECORD, Input
from .overlay import blend, make_legend, to_rgb

TOP = 10  # classes in the terminal


class Outputs:
    """Writes what is predicted below one folder.

    ``masks/NAME.png`` holds labels as the data set's own label files do, ``overlays/NAME.png`` the
    image with the colours of the classes, ``classes.csv`` the share of pixels of each class and
    image, ``predictions.json`` what made them.

    Args:
        out: The folder; made if needed.
        metainfo: Of a ``Segmenter``.
        alpha: Weight of the colours.
        shown: Classes to colour; None: all.
        overlays: Draw them.
        overwrite: Take a folder of another model's predictions too.
    """

    def __init__(
        self,
        out: Path,
        metainfo: Mapping,
        alpha: float = 0.5,
        shown: Sequence[int] | None = None,
        overlays: bool = True,
        overwrite: bool = False,
    ) -> None:
        self.out, self.overlays, self.overwrite = out, overlays, overwrite
        self.classes, self.palette = metainfo['classes'], metainfo['palette']
        self.alpha, self.shown = alpha, shown
        self.encoding, self.note = _find_encoding(metainfo)
        self.rows: dict[str, tuple[Path, np.ndarray, tuple[int, int]]] = {}
        self.is_same = False  # as what made the predictions that are there
        out.mkdir(parents=True, exist_ok=True)

    def record(self, **facts) -> None:
        """Writes what makes these predictions, which also marks the folder as ours.

        Raises:
            UsageError: The folder holds those of another model.
        """
        before = read_json(self.out / RECORD)
        now = dict(facts, classes=list(self.classes), masks=str(self.encoding))
        self.is_same = bool(before) and all(before.get(key) == now[key] for key in now)
        if before and not self.is_same and not self.overwrite:
            key = next(key for key in now if before.get(key) != now[key])
            raise UsageError(
                f'{self.out} holds predictions of another model: {key} was {before.get(key)}, is '
                f'{now[key]}; name another folder with --out, or pass --overwrite'
            )
        write_json(self.out / RECORD, now)

    def add(self, source: Input, image: np.ndarray | None, label: np.ndarray) -> None:
        """Writes the mask and the overlay of an image; threads may do so at the same time.

        Args:
            source: The image.
            image: As loaded; None: read it again.
            label: (H, W), integer.
        """
        shares = self.count(label)
        write_mask(self.out / 'masks' / f'{source.name}.png', label, self.encoding)
        if self.overlays:
            self._draw(source, image, label, shares)
        self.rows[source.name] = (source.path, shares, label.shape)

    def _draw(
        self, source: Input, image: np.ndarray | None, label: np.ndarray, shares: np.ndarray
    ) -> None:
        picture = to_rgb(mmcv.imread(str(source.path)) if image is None else image)
        mixed = blend(picture, label, self.palette, self.alpha, self.shown)
        legend = make_legend(shares, self.classes, self.palette, self.shown)
        path = self.out / 'overlays' / f'{source.name}.png'
        write_picture(path, add_legend(mixed, legend))

    def count(self, label: np.ndarray) -> np.ndarray:
        """The share of pixels of each class, (classes,)."""
        return np.bincount(label.ravel(), minlength=len(self.classes)) / max(1, label.size)

    def write_shares(self, order: Sequence[Input]) -> None:
        """Writes ``classes.csv``: a row an image, in the order of the inputs, a column a class.

        Rows of other images that the same model made before stay, ahead.
        """
        table = self.out / 'classes.csv'
        rows = []
        if self.is_same and table.is_file():
            with table.open(newline='', encoding='utf-8') as file:
                rows = [row for row in list(csv.reader(file))[1:] if row[0] not in self.rows]
        for name in [source.name for source in order if source.name in self.rows]:
            path, shares, (height, width) = self.rows[name]
            rows.append((name, path, width, height, *map(write_share, shares)))
        header = ('name', 'image', 'width', 'height', *self.classes)
        write_csv(table, header, rows)

    def print_table(self, console: Console) -> None:
        """Prints the most frequent classes of all images."""
        if not self.rows:
            return
        shares = np.array([shares for _, shares, _ in self.rows.values()])
        pixels = np.array([size[0] * size[1] for _, _, size in self.rows.values()])
        print_shares(console, self.classes, shares, pixels, 'images')


def check_folder(out: Path, overwrite: bool) -> None:
    """Raises ``UsageError`` unless a folder is new, empty, of predictions, or to be overwritten."""
    if out.exists() and not out.is_dir():
        raise UsageError(f'{out} is a file; name a folder with --out')
    if overwrite or not out.is_dir() or (out / RECORD).is_file() or not any(out.iterdir()):
        return
    raise UsageError(
        f'{out} holds files, and no {RECORD} says that they are predictions; name another folder '
        'with --out, or pass --overwrite'
    )


def write_csv(path: Path, header: Sequence[str], rows) -> None:
    """Writes a table, whole or not at all."""
    with replacing(path) as part, part.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def print_shares(
    console: Console,
    classes: Sequence[str],
    shares: np.ndarray,
    pixels: np.ndarray,
    what: str,
) -> None:
    """Prints the most frequent classes.

    Args:
        console: Where to.
        classes: Names.
        shares: (images, classes).
        pixels: (images,).
        what: ``'images'`` or ``'frames'``.
    """
    total = (shares * pixels[:, None]).sum(0) / max(1, pixels.sum())
    table = Table(box=None, pad_edge=False)
    table.add_column('class')
    table.add_column('of all pixels', justify='right')
    table.add_column(f'in {what}', justify='right')
    order = [index for index in np.argsort(-total, kind='stable') if total[index] > 0]
    for index in order[:TOP]:
        present = int((shares[:, index] > 0).sum())
        table.add_row(classes[index], f'{100 * total[index]:.2f}%', f'{present} of {len(shares)}')
    console.print(table)
    if order[TOP:]:
        console.print(f'and {len(order) - TOP} more classes', highlight=False)


def write_share(share: float) -> str:
    """A share with six digits, which tell single pixels of a megapixel."""
    return f'{share:.6f}'.rstrip('0').rstrip('.')


def _find_encoding(metainfo: Mapping) -> tuple[MaskEncoding, str]:
    try:
        encoding = MaskEncoding.from_metainfo(metainfo)
    except UsageError as error:
        plain = MaskEncoding(tuple(range(len(metainfo['classes']))))
        return plain, f'masks hold indices of classes: {error}'
    if 'reduce_zero_label' in metainfo:
        return encoding, ''
    return encoding, (
        'neither checkpoint nor config says if label files count from 0 or 1: masks count from 0'
    )
