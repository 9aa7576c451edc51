"""Sheets of samples as the network gets them, or after each step of the pipeline."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmseg_ext.datasets.browse import Sample, Stage

from .grid import Cell, draw_grid
from .pictures import class_legend, colour_mask, overlay_mask

PARTNER = "the partner's labels"
STAGE_WIDTH = 2.4  # inches; a pipeline has up to ten steps


def draw_samples(
    path: Path,
    samples: Sequence[Sample],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int = 255,
    title: str = '',
    with_original_labels: bool = False,
) -> None:
    """Draws a row a sample: as loaded, what the network gets with its labels, and these alone.

    Args:
        path: PNG file to write.
        samples: At least one.
        classes: Names, in the order of the palette.
        palette: One RGB triple a class.
        ignore_index: Label that does not count; hatched.
        title: Text above.
        with_original_labels: Show the labels as they were loaded, too.
    """
    rows, labels = [], []
    for sample in samples:
        loaded, final = Stage('loaded', sample.image, sample.label), sample.final
        row = [Cell(sample.image, f'{sample.name}  {_size(sample.image)}')]
        if with_original_labels:
            row.append(_overlaid(loaded, palette, ignore_index))
        row.append(_overlaid(final, palette, ignore_index))
        if final.label is None:
            row.append(Cell(None, 'no labels'))
        else:
            labels.append(final.label)
            mask = colour_mask(final.label, palette, ignore_index)
            row.append(Cell(mask, _size(final.label)))
        row += _partner_cells(sample, samples, palette, ignore_index)
        rows.append(row)
    headings = ['as loaded', 'as the network gets it', 'its labels']
    if with_original_labels:
        headings.insert(1, 'as loaded, with labels')
    labels += [sample.partner[1] for sample in samples if sample.partner]
    headings += [PARTNER] * any(sample.partner for sample in samples)
    legend = class_legend(labels, classes, palette, ignore_index)
    draw_grid(path, rows, headings, legend, title)


def draw_stages(
    path: Path,
    samples: Sequence[Sample],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int = 255,
    title: str = '',
) -> None:
    """Draws a row a sample, a column a transform that changes any of them.

    Args:
        path: PNG file to write.
        samples: At least one, of one pipeline.
        classes: Names, in the order of the palette.
        palette: One RGB triple a class.
        ignore_index: Label that does not count; hatched.
        title: Text above.
    """
    # a step is where it stands and what it is: data sets joined into one may have other pipelines
    columns: dict[tuple[int, str], None] = {}
    changes = []
    for sample in samples:
        changed, before = {}, None
        for place, stage in enumerate(sample.stages):
            if not stage.equals(before):
                changed[place, stage.name] = stage
            before = stage
        if not sample.final.equals(before):
            changed[len(sample.stages), 'input of the network'] = sample.final
        changes.append(changed)
        columns.update(dict.fromkeys(changed))
    headings = sorted(columns, key=lambda column: column[0])
    rows = []
    for sample, changed in zip(samples, changes, strict=True):
        row = [
            _overlaid(changed[column], palette, ignore_index)
            if column in changed
            else Cell(None, 'changes nothing')
            for column in headings
        ]
        first = next(number for number, cell in enumerate(row) if cell.view is not None)
        row[first] = row[first]._replace(caption=f'{sample.name}  {row[first].caption}')
        rows.append(row + _partner_cells(sample, samples, palette, ignore_index))
    labels = [stage.label for each in changes for stage in each.values() if stage.label is not None]
    labels += [sample.partner[1] for sample in samples if sample.partner]
    names = [name for _, name in headings]
    names += [PARTNER] * any(sample.partner for sample in samples)
    legend = class_legend(labels, classes, palette, ignore_index)
    draw_grid(path, rows, names, legend, title, STAGE_WIDTH)


def _partner_cells(
    sample: Sample,
    samples: Sequence[Sample],
    palette: Sequence[Sequence[int]],
    ignore_index: int,
) -> list[Cell]:
    """The second labels of a blended image, where any sample has them."""
    if not any(each.partner for each in samples):
        return []
    if sample.partner is None:
        return [Cell(None, 'not blended')]
    share, label = sample.partner
    return [Cell(colour_mask(label, palette, ignore_index), f'count {1 - share:.0%}')]


def _overlaid(stage: Stage, palette: Sequence[Sequence[int]], ignore_index: int) -> Cell:
    if stage.image is None:
        return Cell(None, 'no image')
    if stage.label is None:
        return Cell(stage.image, _size(stage.image))
    image, label, caption = stage.image, stage.label, _size(stage.image)
    if image.shape[:2] != label.shape:
        # in validation the labels keep the size in which they are scored
        caption += f', labels {_size(label)}'
        size = image.shape[1], image.shape[0]
        label = cv2.resize(label.astype(np.int32), size, interpolation=cv2.INTER_NEAREST)
    return Cell(overlay_mask(image, label, palette, ignore_index), caption)


def _size(array: np.ndarray | None) -> str:
    return '' if array is None else f'{array.shape[1]}x{array.shape[0]}'
