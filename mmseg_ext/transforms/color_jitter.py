"""Jitters brightness, contrast, saturation and hue."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmseg_ext.registry import TRANSFORMS

from .checks import check_image, check_prob, check_range

# of R, G and B in a grey value, ITU-R BT.601, in the order of the channels
LUMA_BGR = np.array([0.114, 0.587, 0.299])


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """torchvision's ColorJitter, for BGR images as MMSegmentation loads them.

    The steps come in random order. The first three blend the image with another, by a factor: with
    black (brightness), with the mean grey of the image (contrast), with its grey image
    (saturation). The sum is rounded and clipped to 0 to 255. A factor of 1 changes nothing.

    It differs from PhotoMetricDistortion: there brightness adds a number, contrast multiplies, each
    step is done to half of the images, and the order is nearly fixed.

    Required Keys:

    - img, uint8, (H, W, 3); (H, W) or (H, W, 1) without saturation and hue

    Modified Keys:

    - img

    Args:
        brightness: x draws the factor from [max(0, 1 - x), 1 + x]; or the range of the factor; 0
            leaves the step out.
        contrast: The same for the contrast.
        saturation: The same for the saturation.
        hue: x draws the shift from [-x, x]; or the range of the shift; in turns of the colour
            circle, -0.5 to 0.5; 0 leaves the step out.
        prob: Probability that an image is jittered at all.

    Raises:
        ValueError: A setting out of range, or nothing to jitter.
        UsageError: From the call: an image of another type or number of channels.
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0,
        contrast: float | tuple[float, float] = 0,
        saturation: float | tuple[float, float] = 0,
        hue: float | tuple[float, float] = 0,
        prob: float = 1.0,
    ) -> None:
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.hue = saturation, hue
        self.prob = check_prob(prob)
        ranges = dict(
            brightness=_factors('brightness', brightness),
            contrast=_factors('contrast', contrast),
            saturation=_factors('saturation', saturation),
            hue=check_range('hue', hue if np.ndim(hue) else (-hue, hue), -0.5, 0.5),
        )
        self.ranges = {
            name: values
            for name, values in ranges.items()
            if values != ((0, 0) if name == 'hue' else (1, 1))
        }
        if not self.ranges:
            raise ValueError(
                f'ColorJitter has no effect: brightness={brightness}, contrast={contrast}, '
                f'saturation={saturation}, hue={hue}'
            )

    @cache_randomness
    def _draw(self) -> list[tuple[str, float]]:
        """The steps in their order, each with its factor or shift."""
        if np.random.rand() >= self.prob:
            return []
        names = np.random.permutation(list(self.ranges)).tolist()
        return [(name, np.random.uniform(*self.ranges[name])) for name in names]

    def transform(self, results: dict) -> dict:
        """Jitters the colours of a sample."""
        in_colour = 'saturation' in self.ranges or 'hue' in self.ranges
        image = check_image(results, type(self).__name__, (3,) if in_colour else (1, 3))
        for name, value in self._draw():
            image = STEPS[name](image, value)
        results['img'] = image
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, '
            f'saturation={self.saturation}, hue={self.hue}, prob={self.prob})'
        )


def _factors(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    if np.ndim(value) == 0:
        if not 0 <= value < np.inf:
            raise ValueError(f'{name} is at least 0, got {value}')
        value = (max(0, 1 - value), 1 + value)
    return check_range(name, value, 0, np.inf)


def _blend(image: np.ndarray, factor: float, grey: int) -> np.ndarray:
    # one pass over the 8-bit values, where mmcv makes float images of both
    blended = cv2.addWeighted(image, factor, image, 0, grey * (1 - factor))
    return blended.reshape(image.shape)


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return _blend(image, factor, 0)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    in_colour = image.ndim == 3 and image.shape[2] == 3
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if in_colour else image
    return _blend(image, factor, int(cv2.mean(grey)[0] + 0.5))


def _saturation(image: np.ndarray, factor: float) -> np.ndarray:
    # one pass over the pixels, where mmcv.adjust_color makes the grey image first
    matrix = factor * np.eye(3) + (1 - factor) * LUMA_BGR
    return cv2.transform(image, matrix)


def _hue(image: np.ndarray, turns: float) -> np.ndarray:
    # mmcv.adjust_hue of mmcv 2.1 fails on negative shifts under NumPy 2
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hue = cv2.extractChannel(hsv, 0)
    # a byte is a full turn, so that the sum wraps around as it should
    cv2.insertChannel(hue + np.uint8(int(turns * 255) % 256), hsv, 0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)


STEPS = dict(brightness=_brightness, contrast=_contrast, saturation=_saturation, hue=_hue)
