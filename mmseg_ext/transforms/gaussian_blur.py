"""Blurs an image."""

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmseg_ext.registry import TRANSFORMS

from .checks import check_image, check_prob, check_range


@TRANSFORMS.register_module()
class GaussianBlur(BaseTransform):
    """Blurs the image with a Gaussian of random width; labels stay as they are.

    The border is mirrored without its last pixel, as torchvision and OpenCV do it.

    Required Keys:

    - img, uint8, (H, W), or (H, W, C) of 1, 3 or 4 channels

    Modified Keys:

    - img

    Args:
        prob: Probability that an image is blurred; 0.5 as in SimCLR (Chen et al., 2020, arXiv
            2002.05709).
        sigma: The range of the standard deviation, in pixels, drawn uniformly, or the one number;
            (0.1, 2.0) as in SimCLR.
        kernel_size: Side of the kernel in pixels, odd, from 3. None makes it as wide as the drawn
            sigma needs: 3 sigma to each side.

    Raises:
        ValueError: A setting out of range.
        UsageError: From the call: an image of another type or number of channels.
    """

    def __init__(
        self,
        prob: float = 0.5,
        sigma: float | tuple[float, float] = (0.1, 2.0),
        kernel_size: int | None = None,
    ) -> None:
        self.prob = check_prob(prob)
        pair = sigma if np.ndim(sigma) else (sigma, sigma)
        # the weight beside the centre is below 1 in 100,000 at 0.2, and no 8-bit value changes
        self.sigma = check_range('sigma', pair, 0, math.inf)
        if self.sigma[0] == 0 or self.sigma[1] <= 0.2 or math.isinf(self.sigma[1]):
            raise ValueError(f'sigma={sigma}: the low end is above 0, the high end above 0.2')
        if kernel_size is not None and (kernel_size < 3 or kernel_size % 2 != 1):
            raise ValueError(f'kernel_size is None or odd and at least 3, got {kernel_size}')
        self.kernel_size = kernel_size

    @cache_randomness
    def _draw(self) -> float | None:
        """The standard deviation, or None to leave the image sharp."""
        return np.random.uniform(*self.sigma) if np.random.rand() < self.prob else None

    def transform(self, results: dict) -> dict:
        """Blurs the image of a sample."""
        image = check_image(results, type(self).__name__, (1, 3, 4))
        sigma = self._draw()
        if sigma is not None:
            size = self.kernel_size or 2 * math.ceil(3 * sigma) + 1
            # OpenCV drops a last dimension of 1
            results['img'] = cv2.GaussianBlur(image, (size, size), sigma).reshape(image.shape)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, sigma={self.sigma}, '
            f'kernel_size={self.kernel_size})'
        )
