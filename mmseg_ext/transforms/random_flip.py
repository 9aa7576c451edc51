"""RandomFlip without strided copies, or left to the data preprocessor."""

import cv2
import mmcv
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomFlip as MMSegRandomFlip

from mmseg_ext.registry import TRANSFORMS

from .on_device import leave_to_device

CODES = dict(horizontal=1, vertical=0, diagonal=-1)


@TRANSFORMS.register_module()
class RandomFlip(MMSegRandomFlip):
    """MMSegmentation's RandomFlip, with the same draws and results.

    Required Keys:

    - img: (H, W) or (H, W, C)
    - gt_seg_map (optional): (H, W), and whatever else ``seg_fields`` names

    Modified Keys:

    - img
    - gt_seg_map

    Added Keys:

    - flip
    - flip_direction
    - swap_seg_labels (if labels are flipped here)
    - on_device (with ``on_device``)

    Args:
        prob: Probability of a flip, or one for each direction.
        direction: 'horizontal', 'vertical', 'diagonal', or several.
        swap_seg_labels: Pairs of labels that a flip exchanges, such as left and right arm.
        on_device: Only draw here, and let ``mmseg_ext.SegDataPreProcessor`` flip image and label,
            on the GPU. Transforms after this one then see the sample as it was.

    Raises:
        ValueError: ``swap_seg_labels`` with ``on_device``; a second flip on the device.
    """

    def __init__(
        self,
        prob: float | list[float] | None = None,
        direction: str | list[str] = 'horizontal',
        swap_seg_labels: list[tuple[int, int]] | None = None,
        on_device: bool = False,
    ):
        super().__init__(prob, direction, swap_seg_labels)
        if on_device and swap_seg_labels:
            raise ValueError('swap_seg_labels needs on_device=False: labels are swapped here')
        self.on_device = on_device
        directions = [self.direction] if isinstance(self.direction, str) else list(self.direction)
        probs = self.prob if isinstance(self.prob, list) else [self.prob / len(directions)]
        probs = probs * (len(directions) // len(probs))
        self._directions = [*directions, None]
        bounds = np.cumsum([*probs, 1 - sum(probs)])
        self._bounds = bounds / bounds[-1]

    @cache_randomness
    def _choose_direction(self) -> str | None:
        # as np.random.choice draws, which takes five times as long to look at its arguments
        return self._directions[self._bounds.searchsorted(np.random.random_sample(), 'right')]

    def _flip(self, results: dict) -> None:
        # the method that mmcv's RandomFlip has its subclasses override
        direction = results['flip_direction']
        if self.on_device:
            leave_to_device(results, 'flip', direction)
            return
        results['img'] = _flip(results['img'], direction)
        for key in results.get('seg_fields', []):
            if self.swap_seg_labels:
                # a copy, as labels are exchanged in place
                flipped = self._flip_seg_map(results[key].copy(), direction)
                results[key] = np.ascontiguousarray(flipped)
            else:
                results[key] = _flip(results[key], direction)
        results['swap_seg_labels'] = self.swap_seg_labels

    def __repr__(self) -> str:
        return (
            f'RandomFlip(prob={self.prob}, direction={self.direction}, '
            f'swap_seg_labels={self.swap_seg_labels}, on_device={self.on_device})'
        )


def _flip(array: np.ndarray, direction: str) -> np.ndarray:
    if array.dtype != np.uint8:
        return np.ascontiguousarray(mmcv.imflip(array, direction))
    # several times as fast as to copy NumPy's view of negative strides; it drops a single channel
    return cv2.flip(array, CODES[direction]).reshape(array.shape)
