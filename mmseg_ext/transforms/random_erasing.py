"""Erases rectangles of an image."""

import math
from collections.abc import Sequence
from numbers import Integral

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmseg_ext.registry import TRANSFORMS

from .checks import check_image, check_prob, check_range

# as torchvision; for a hole that does not fit into the image
MAX_TRIES = 10


@TRANSFORMS.register_module()
class RandomErasing(BaseTransform):
    """Random Erasing (Zhong et al., 2020, arXiv 1708.04896): fills rectangles of the image.

    Area and aspect are drawn as torchvision draws them. The paper has areas up to 0.4, and aspects
    uniform instead of uniform in their logarithm. A hole that does not fit into the image is drawn
    anew, ten times at most; the last is clipped.

    The fill is in pixel units, 0 to 255, in the order B, G, R, because the image is normalised
    later, by the data preprocessor. So 0 is black and not the mean, here and in MMSegmentation's
    RandomCutOut, whose default it is. The mean of ImageNet is ``fill=(104, 116, 124)``, which the
    normalisation makes 0. The data preprocessor writes it R, G, B.

    Many small holes are what others call CoarseDropout::

        dict(type='mmseg_ext.RandomErasing', num_holes=(8, 16), area_range=(0.002, 0.005),
             aspect_range=(1, 1), fill=0)

    Required Keys:

    - img, uint8, (H, W), or (H, W, C) of 1, 3 or 4 channels
    - the maps in seg_fields (optional), (H, W)

    Modified Keys:

    - img
    - the maps in seg_fields, with ``seg_fill``

    Args:
        prob: Probability that an image is erased at all.
        area_range: Area of a hole as a share of the image's.
        aspect_range: Its height divided by its width.
        num_holes: Number of holes, or the range to draw it from, both ends included.
        fill: A number for all channels; one number a channel, (B, G, R); 'mean': the image's mean
            colour; 'noise': a random number for each pixel and channel; 'pixels': another region of
            the image, of the same size.
        seg_fill: None keeps the labels under a hole: the network has to tell from the surroundings
            what is hidden, which trains context but, where nothing tells, trains guesses. A label
            replaces them: 255 makes the loss ignore the hole, which asks for no guess and teaches
            nothing there, so that large holes cost training signal.

    Raises:
        ValueError: A setting out of range. From the call: ``fill`` has another number of channels
            than the image, or the sample's colours are yet to be distorted on the device.
        UsageError: From the call: an image of another type or number of channels.
    """

    def __init__(
        self,
        prob: float = 0.5,
        area_range: tuple[float, float] = (0.02, 0.33),
        aspect_range: tuple[float, float] = (0.3, 3.3),
        num_holes: int | tuple[int, int] = 1,
        fill: float | Sequence[float] | str = 'noise',
        seg_fill: int | None = None,
    ) -> None:
        self.prob = check_prob(prob)
        self.area_range = check_range('area_range', area_range, 0, 1)
        self.aspect_range = check_range('aspect_range', aspect_range, 0.01, 100)
        pair = num_holes if np.ndim(num_holes) else (num_holes, num_holes)
        low, high = check_range('num_holes', pair, 0, math.inf)
        if not (isinstance(low, Integral) and isinstance(high, Integral) and high > 0):
            raise ValueError(f'num_holes is a whole number from 1, or two, got {num_holes}')
        if self.area_range[0] == 0:
            raise ValueError(f'area_range begins above 0, got {area_range}')
        if seg_fill is not None and seg_fill not in range(256):
            raise ValueError(f'seg_fill is None or a label from 0 to 255, got {seg_fill}')
        self.num_holes = (int(low), int(high)) if np.ndim(num_holes) else int(num_holes)
        self.fill = _check_fill(fill)
        self.seg_fill = seg_fill

    @cache_randomness
    def _draw(self, height: int, width: int) -> list[tuple[int, int, int, int, int, int]]:
        """Height and width of each hole, its top left corner, and that of a region to copy."""
        if np.random.rand() >= self.prob:
            return []
        number = self.num_holes
        if not isinstance(number, int):
            number = np.random.randint(number[0], number[1] + 1)
        return [self._draw_hole(height, width) for _ in range(number)]

    def _draw_hole(self, height: int, width: int) -> tuple[int, int, int, int, int, int]:
        for _ in range(MAX_TRIES):
            area = height * width * np.random.uniform(*self.area_range)
            aspect = math.exp(np.random.uniform(*np.log(self.aspect_range)))
            rows = max(1, round(math.sqrt(area * aspect)))
            columns = max(1, round(math.sqrt(area / aspect)))
            if rows <= height and columns <= width:
                break
        rows, columns = min(rows, height), min(columns, width)
        corners = np.random.randint([0] * 4, [height - rows + 1, width - columns + 1] * 2)
        return rows, columns, *corners

    def transform(self, results: dict) -> dict:
        """Erases rectangles of a sample."""
        if 'colour' in results.get('on_device', ()):
            raise ValueError(
                "RandomErasing: the sample's colours are distorted later, on the device, and its "
                'fill with them; put RandomErasing before the colour transform if that may be, or '
                'set on_device=False there'
            )
        source = check_image(results, type(self).__name__, (1, 3, 4))
        holes = self._draw(*source.shape[:2])
        if not holes:
            return results
        fill = self._colour(source)
        image = source.copy()
        maps = results.get('seg_fields', []) if self.seg_fill is not None else []
        labels = {key: results[key].copy() for key in maps}
        for rows, columns, top, left, other_top, other_left in holes:
            hole = slice(top, top + rows), slice(left, left + columns)
            if fill is not None:
                image[hole] = fill
            elif self.fill == 'noise':
                image[hole] = np.random.randint(0, 256, image[hole].shape, dtype=np.uint8)
            else:
                image[hole] = source[
                    other_top : other_top + rows, other_left : other_left + columns
                ]
            for label in labels.values():
                label[hole] = self.seg_fill
        results['img'] = image
        results.update(labels)
        return results

    def _colour(self, image: np.ndarray) -> np.ndarray | None:
        """The colour to fill with, (C,) or (1,), or None if it is not one colour."""
        count = image.shape[2] if image.ndim == 3 else 1
        if self.fill == 'mean':
            colour = cv2.mean(image)[:count]
        elif isinstance(self.fill, str):
            return None
        else:
            colour = np.atleast_1d(self.fill)
            if len(colour) not in (1, count):
                raise ValueError(
                    f'RandomErasing: fill={self.fill} has {len(colour)} channels, the image {count}'
                )
        return np.round(colour).astype(np.uint8)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, area_range={self.area_range}, '
            f'aspect_range={self.aspect_range}, num_holes={self.num_holes}, fill={self.fill!r}, '
            f'seg_fill={self.seg_fill})'
        )


def _check_fill(fill: float | Sequence[float] | str) -> float | tuple[float, ...] | str:
    if isinstance(fill, str):
        if fill not in ('mean', 'noise', 'pixels'):
            raise ValueError(
                f"fill is a number, one a channel, 'mean', 'noise' or 'pixels', got {fill!r}"
            )
        return fill
    values = tuple(fill) if np.ndim(fill) else (fill,)
    # a fraction is a share of 255 or a normalised value, which would be as good as black
    if len(values) not in (1, 3, 4) or not all(v == 0 or 1 <= v <= 255 for v in values):
        raise ValueError(
            f'fill={fill} is not 1, 3 or 4 numbers in pixel units, 0 to 255, as before '
            'normalisation'
        )
    return values if np.ndim(fill) else fill
