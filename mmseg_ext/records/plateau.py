"""Where a score stopped rising."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_TOLERANCE = 0.5  # points of mIoU; two seeds of one config differ by as much
NOISES = 2.0  # standard deviations of the noise that the tolerance is at least
REST = 0.1  # share of the run that has to lie behind the place
FOLLOWING = 3  # validations that have to follow it
FEWEST = FOLLOWING + 1  # validations of which something can be said


class Plateau(NamedTuple):
    """Where a score came within a tolerance of its best.

    Attributes:
        index: Of the validation.
        tolerance: In the score's points.
        is_rising: Whether too little of the run follows to say that the score stopped.
    """

    index: int
    tolerance: float
    is_rising: bool


def find_plateau(steps: Sequence[int], scores: Sequence[float]) -> Plateau | None:
    """Finds where a score stopped rising.

    That is the earliest validation after which the best score so far improved by no more than a
    tolerance, until the end. The tolerance is 0.5 points, or two standard deviations of the noise
    between validations where that is more. The noise is estimated from the second differences of
    the later half of the scores, which a trend hardly enters: their median absolute value, times
    1.4826 (to a standard deviation) and over the root of 6 (the sum of the squares of 1, -2, 1).

    The score is still rising if fewer than three validations, or less than a tenth of the run,
    follow that place.

    Args:
        steps: Iterations of the validations, ascending.
        scores: Percent, finite, one a step.

    Returns:
        None for fewer than four scores, which say nothing.
    """
    if len(scores) < FEWEST:
        return None
    values = np.asarray(scores, dtype=np.float64)
    tolerance = max(MIN_TOLERANCE, NOISES * estimate_noise(values))
    so_far = np.maximum.accumulate(values)
    index = int(np.argmax(so_far >= so_far[-1] - tolerance))
    follow, rest = len(values) - 1 - index, steps[-1] - steps[index]
    return Plateau(index, tolerance, follow < FOLLOWING or rest < REST * steps[-1])


def estimate_noise(values: np.ndarray) -> float:
    """The standard deviation of the noise on a smooth curve; 0 where there are too few values."""
    later = values[len(values) // 2 :] if len(values) >= 12 else values
    if len(later) < 6:
        return 0.0
    second = np.abs(np.diff(later, 2))
    return float(1.4826 * np.median(second) / np.sqrt(6))
