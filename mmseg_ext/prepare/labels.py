"""Which labels a set of files holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .jobs import run_jobs
from .masks import read_mask


def count_labels(paths: Sequence[Path], num_processes: int, description: str) -> np.ndarray:
    """Counts the pixels of each label in all files.

    Returns:
        (256,), int64.

    Raises:
        UsageError: A file does not read, or holds no labels of one byte a pixel.
    """
    counts = run_jobs(_count, paths, num_processes, description)
    return np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(256, np.int64)


def _count(path: Path) -> np.ndarray:
    return np.bincount(read_mask(path).ravel(), minlength=256)
