"""What transforms insist on, of their settings and of the images they get."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from mmseg_ext.engine.errors import UsageError


def check_prob(prob: float) -> float:
    """Gives it back; raises ``ValueError`` unless it lies in (0, 1]."""
    if not 0 < prob <= 1:
        raise ValueError(f'prob lies in (0, 1], got {prob}; leave the transform out for 0')
    return prob


def check_range(
    name: str, values: Sequence[float], lowest: float, highest: float
) -> tuple[float, float]:
    """Gives a range back as a tuple.

    Raises:
        ValueError: Not two numbers in ascending order, or one outside of ``lowest`` to ``highest``.
    """
    # not `low > high`, which NaN would pass
    if np.shape(values) != (2,) or not lowest <= values[0] <= values[1] <= highest:
        raise ValueError(
            f'{name} is (low, high) with {lowest:g} <= low <= high <= {highest:g}, got {values}'
        )
    return tuple(values)


def check_pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Gives back two sides, from one number for both or from two.

    Raises:
        ValueError: Not one or two whole numbers above 0.
    """
    sides = (value,) * 2 if np.ndim(value) == 0 else tuple(value)
    if len(sides) != 2 or not all(isinstance(side, Integral) and side > 0 for side in sides):
        raise ValueError(f'{name} is one or two whole numbers above 0, got {value}')
    return int(sides[0]), int(sides[1])


def check_image(results: dict, transform: str, channels: Sequence[int]) -> np.ndarray:
    """The image of a sample, (H, W) or (H, W, C), uint8.

    Args:
        results: The sample.
        transform: Name of the transform, for the message.
        channels: Numbers of channels that it takes; a grey image has 1.

    Raises:
        UsageError: An image of another type or number of channels.
    """
    image = results['img']
    count = image.shape[2] if image.ndim == 3 else 1
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or count not in channels:
        raise UsageError(
            f'{transform}: {results.get("img_path", "the image")} is {image.dtype} of shape '
            f'{image.shape}; it takes uint8 of {" or ".join(map(str, channels))} channels, '
            'so leave it out, or load the image as that'
        )
    return image
