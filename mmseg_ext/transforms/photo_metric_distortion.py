"""PhotoMetricDistortion by tables, or left to the data preprocessor."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.registry import TRANSFORMS

from .checks import check_image
from .colour import Distortion, distort
from .on_device import leave_to_device


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """MMSegmentation's PhotoMetricDistortion in less than half the time.

    Brightness, contrast, saturation and hue, each with a probability of one half; contrast comes
    second or last (Liu et al., SSD, 2016). It takes the same random numbers in the same order as
    the stock transform. Results are equal unless both saturation and hue change: then the stock
    transform rounds once more, on its second way through HSV.

    Required Keys:

    - img: (H, W, 3), uint8, BGR

    Modified Keys:

    - img

    Added Keys:

    - on_device (with ``on_device``)

    Args:
        brightness_delta: Brightness changes by up to so many grey levels.
        contrast_range: Least and largest factor on the contrast.
        saturation_range: Least and largest factor on the saturation.
        hue_delta: Hue changes by up to so many steps of 2 degrees; a whole number.
        on_device: Only draw here, and let ``mmseg_ext.SegDataPreProcessor`` do the rest, on the
            GPU. Transforms after this one then see the colours undistorted.

    Raises:
        ValueError: A setting out of range.
        UsageError: From the call: an image that is not (H, W, 3), uint8.
    """

    def __init__(
        self,
        brightness_delta: float = 32,
        contrast_range: Sequence[float] = (0.5, 1.5),
        saturation_range: Sequence[float] = (0.5, 1.5),
        hue_delta: int = 18,
        on_device: bool = False,
    ):
        for name, value in (('contrast', contrast_range), ('saturation', saturation_range)):
            if len(value) != 2 or not 0 <= value[0] <= value[1]:
                raise ValueError(f'{name}_range={value} is not (least, largest), 0 or more')
        if brightness_delta < 0:
            raise ValueError(f'brightness_delta={brightness_delta} is below 0')
        if hue_delta != int(hue_delta) or not 0 < hue_delta <= 90:
            raise ValueError(f'hue_delta={hue_delta} is not a whole number from 1 to 90')
        self.brightness_delta = brightness_delta
        self.contrast_range = contrast_range
        self.saturation_range = saturation_range
        self.hue_delta = hue_delta
        self.on_device = on_device

    def draw(self) -> Distortion:
        """Draws a distortion, from NumPy's global generator."""
        steps = {}
        if np.random.randint(2):
            steps['brightness'] = np.random.uniform(-self.brightness_delta, self.brightness_delta)
        contrast_first = bool(np.random.randint(2))
        if contrast_first and np.random.randint(2):
            steps['contrast'] = np.random.uniform(*self.contrast_range)
        if np.random.randint(2):
            steps['saturation'] = np.random.uniform(*self.saturation_range)
        if np.random.randint(2):
            steps['hue'] = np.random.randint(-self.hue_delta, self.hue_delta)
        if not contrast_first and np.random.randint(2):
            steps['contrast'] = np.random.uniform(*self.contrast_range)
        return Distortion(contrast_first=contrast_first, **steps)

    def transform(self, results: dict) -> dict:
        """Distorts an image, or says how it is to be distorted."""
        image = check_image(results, type(self).__name__, (3,))
        distortion = self.draw()
        if self.on_device:
            leave_to_device(results, 'colour', distortion)
        else:
            results['img'] = distort(image, distortion)
        return results

    def __repr__(self) -> str:
        names = (
            'brightness_delta', 'contrast_range', 'saturation_range', 'hue_delta', 'on_device',
        )  # fmt: skip
        settings = ', '.join(f'{name}={getattr(self, name)}' for name in names)
        return f'PhotoMetricDistortion({settings})'
