"""The scores of every class as a table for spreadsheets."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .files import replacing


def write_per_class(
    path: Path,
    per_class: Mapping[str, Mapping[str, float]],
    confusion: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Writes one line a class: its name, its scores, and its pixels in truth and prediction.

    Args:
        path: CSV file to write.
        per_class: By score and class: shares in [0, 1], nan where there is none.
        confusion: Pixels, (C, C); rows are true, columns predicted classes.
        classes: C names.
    """
    true, predicted = confusion.sum(1), confusion.sum(0)
    with replacing(path) as part, part.open('w', newline='') as handle:
        writer = csv.writer(handle)
        writer.writerow(['class', *per_class, 'true_pixels', 'predicted_pixels'])
        for index, name in enumerate(classes):
            scores = [scores[name] for scores in per_class.values()]
            writer.writerow([name, *scores, int(true[index]), int(predicted[index])])
