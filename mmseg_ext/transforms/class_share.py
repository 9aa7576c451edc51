"""What classes a window of labels holds."""

import numpy as np

# Every so many-th row and column tells which classes are frequent.
SAMPLED = 8


def is_mixed(label: np.ndarray, cat_max_ratio: float, ignore_index: int) -> bool:
    """Whether there are two classes, and none has too large a share of the valid pixels.

    It is RandomCrop's condition, exactly, at a tenth of the cost of counting every label: classes
    are counted one by one, those first that a few pixels show to be frequent, until the rest is too
    small to hold one that is too large.

    Args:
        label: (H, W), integer.
        cat_max_ratio: Share of the valid pixels that is too large.
        ignore_index: Label of pixels that are not valid.
    """
    num_valid = rest = np.count_nonzero(label != ignore_index)
    # whole numbers of Python: one of NumPy's would make NumPy compare as int64
    for each in _find_frequent(label[::SAMPLED, ::SAMPLED]).tolist():
        if each == ignore_index:
            continue
        count = np.count_nonzero(label == each)
        if count == num_valid or count / num_valid >= cat_max_ratio:
            return False
        rest -= count
        if rest / num_valid < cat_max_ratio:
            return True
    # what is large was not among those few pixels
    classes, counts = np.unique(label, return_counts=True)
    counts = counts[classes != ignore_index]
    return len(counts) > 1 and counts.max() / counts.sum() < cat_max_ratio


def _find_frequent(label: np.ndarray) -> np.ndarray:
    """The labels that are there, the most frequent first."""
    if label.dtype == np.uint8:  # a tenth of the time of np.unique, which sorts
        counts = np.bincount(label.ravel())
        return np.argsort(-counts)[: np.count_nonzero(counts)]
    classes, counts = np.unique(label, return_counts=True)
    return classes[np.argsort(-counts)]
