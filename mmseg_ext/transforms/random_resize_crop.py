"""RandomResize and RandomCrop in one, which resizes only what is kept."""

from collections.abc import Mapping, Sequence

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.registry import TRANSFORMS

from .checks import check_pair
from .class_share import is_mixed
from .window import NearestResize, resize_window

# Windows that RandomCrop draws after the first before it takes one with too much of a class.
MAX_REDRAWS = 10


@TRANSFORMS.register_module()
class RandomResizeCrop(BaseTransform):
    """MMSegmentation's RandomResize, RandomCrop and Pad, at a part of their cost.

    Draws scale and window first, looks at the labels in the window, and resizes only the pixels
    that it keeps. It takes the same random numbers in the same order as the stock transforms: under
    one seed both choose the same scale and window, the labels are equal, and the images differ by
    rounding. (Not torchvision's RandomResizedCrop, which draws area and aspect ratio.)

    Required Keys:

    - img: (h, w) or (h, w, C)
    - gt_seg_map (optional): (h, w), and whatever else ``seg_fields`` names

    Modified Keys:

    - img: (H, W) or (H, W, C), at most ``crop_size`` unless padded; it may be a view
    - img_shape
    - gt_seg_map

    Added Keys:

    - scale
    - scale_factor
    - keep_ratio

    Args:
        crop_size: Height and width of the window, or one number for both. Where the resized image
            is smaller, the result is, unless ``pad_val`` is given.
        scale: Width and height that the image fits into, before ``ratio_range``, or one number for
            both; or two such pairs to draw from, as in RandomResize. None: the size is left as it
            is.
        ratio_range: Least and largest factor on ``scale``; None: the scale is fixed.
        keep_ratio: Keep the aspect ratio: ``scale`` bounds the longer and the shorter side. Unlike
            mmcv's, it is so unless said otherwise, as in all of MMSegmentation's configs.
        cat_max_ratio: A window where one class has this share of the valid pixels or more is drawn
            again, up to ten times. 1: any window.
        ignore_index: Label that does not count as a class.
        pad_val: Fill smaller windows up to ``crop_size``, at the right and the bottom, with this
            value. None leaves that to the data preprocessor (its ``size``), which fills with the
            mean colour.
        seg_pad_val: The label there.

    Raises:
        ValueError: A setting that is out of range or has no effect; a label map of another size
            than the image.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        scale: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        ratio_range: tuple[float, float] | None = None,
        keep_ratio: bool = True,
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
        pad_val: float | Sequence[float] | None = None,
        seg_pad_val: int = 255,
    ):
        self.crop_size = check_pair('crop_size', crop_size)
        # two pairs are a range to draw from
        self._is_range = np.ndim(scale) == 2
        if self._is_range and len(scale) == 2:
            self.scale = tuple(check_pair('scale', pair) for pair in scale)
        else:
            self.scale = None if scale is None else check_pair('scale', scale)
        self.ratio_range = ratio_range
        self.keep_ratio = keep_ratio
        self.cat_max_ratio = cat_max_ratio
        self.ignore_index = ignore_index
        if isinstance(pad_val, Mapping):
            raise ValueError(f"pad_val={pad_val}: give the labels' value as seg_pad_val")
        self.pad_val = tuple(pad_val) if np.ndim(pad_val) else pad_val
        self.seg_pad_val = seg_pad_val
        self._check()

    def transform(self, results: dict) -> dict:
        """Draws a window, resizes and crops to it."""
        image = results['img']
        fields = {key: results[key] for key in results.get('seg_fields', [])}
        for key, field in fields.items():
            if field.shape[:2] != image.shape[:2]:
                raise ValueError(
                    f'RandomResizeCrop: {key} of {results.get("seg_map_path")} is '
                    f'{field.shape[:2]}, the image {results.get("img_path")} {image.shape[:2]}'
                )
        scale, size = self._draw_size(image.shape[:2])
        if min(size) < 1:
            raise ValueError(
                f'RandomResizeCrop: scale={scale} makes {results.get("img_path")}, '
                f'{image.shape[:2]}, {size[::-1]}'
            )
        labels = NearestResize(image.shape[:2], size)
        offset = self._draw_offset(size, fields.get('gt_seg_map'), labels)
        shape = min(self.crop_size[0], size[1]), min(self.crop_size[1], size[0])
        window = resize_window(image, size, offset, shape)
        # OpenCV drops a last dimension of 1
        results['img'] = self._pad(window.reshape(*shape, *image.shape[2:]), self.pad_val)
        for key, field in fields.items():
            results[key] = self._pad(labels.window(field, offset, shape), self.seg_pad_val)
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = size[0] / image.shape[1], size[1] / image.shape[0]
        if scale is not None:
            results.update(scale=scale, keep_ratio=self.keep_ratio)
        return results

    def _draw_size(self, shape: tuple[int, int]) -> tuple[tuple[int, int] | None, tuple[int, int]]:
        """The scale, and the width and height that it makes of the image."""
        size = shape[1], shape[0]
        if self.scale is None:
            return None, size
        if self._is_range:
            sides = zip(*self.scale, strict=True)
            scale = tuple(np.random.randint(min(side), max(side) + 1) for side in sides)
        elif self.ratio_range:
            low, high = self.ratio_range
            ratio = np.random.random_sample() * (high - low) + low
            scale = int(self.scale[0] * ratio), int(self.scale[1] * ratio)
        else:
            scale = self.scale
        return scale, mmcv.rescale_size(size, scale) if self.keep_ratio else scale

    def _draw_offset(
        self, size: tuple[int, int], label: np.ndarray | None, labels: NearestResize
    ) -> tuple[int, int]:
        """Top and left of the window."""
        margins = [max(size[1 - axis] - self.crop_size[axis], 0) for axis in (0, 1)]
        offset = _draw_within(margins)
        if self.cat_max_ratio >= 1 or label is None:
            return offset
        for _ in range(MAX_REDRAWS):
            window = labels.window(label, offset, self.crop_size)
            if is_mixed(window, self.cat_max_ratio, self.ignore_index):
                break
            offset = _draw_within(margins)
        return offset

    def _pad(self, window: np.ndarray, value: float | Sequence[float] | None) -> np.ndarray:
        if self.pad_val is None or window.shape[:2] == self.crop_size:
            return window
        if window.ndim == 3 and np.ndim(value) == 0:
            value = (value,) * window.shape[2]  # OpenCV would fill the first channel alone
        return mmcv.impad(window, shape=self.crop_size, pad_val=value)

    def _check(self) -> None:
        if self.ratio_range is not None:
            if self.scale is None or self._is_range:
                raise ValueError(
                    f'ratio_range={self.ratio_range} has no effect: it is a factor on one scale, '
                    f'and scale={self.scale}'
                )
            if not 0 < self.ratio_range[0] <= self.ratio_range[1]:
                raise ValueError(f'ratio_range={self.ratio_range} is not (least, largest) above 0')
        if not 0 < self.cat_max_ratio <= 1:
            raise ValueError(f'cat_max_ratio={self.cat_max_ratio} is not above 0 and up to 1')
        if self.pad_val is None and self.seg_pad_val != 255:
            raise ValueError(f'seg_pad_val={self.seg_pad_val} has no effect without pad_val')

    def __repr__(self) -> str:
        names = (
            'crop_size', 'scale', 'ratio_range', 'keep_ratio', 'cat_max_ratio', 'ignore_index',
            'pad_val', 'seg_pad_val',
        )  # fmt: skip
        return f'RandomResizeCrop({", ".join(f"{name}={getattr(self, name)}" for name in names)})'


def _draw_within(margins: Sequence[int]) -> tuple[int, int]:
    return np.random.randint(margins[0] + 1), np.random.randint(margins[1] + 1)
