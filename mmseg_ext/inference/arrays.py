"""Images that are in memory already."""

import cv2
import numpy as np
from PIL import Image, ImageOps

from mmseg_ext.engine.errors import UsageError


def to_bgr(image: np.ndarray | Image.Image) -> np.ndarray:
    """What OpenCV makes of a file with this image: (H, W, 3), uint8, BGR.

    Args:
        image: Of Pillow; or (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16, of which
            the upper 8 bits count.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(image, Image.Image):
        upright = ImageOps.exif_transpose(image)
        # Pillow would cut 16 bits off at 255
        image = np.array(upright if upright.mode[0] in 'IF' else upright.convert('RGB'))
        image = image[..., ::-1] if image.ndim == 3 else image
    if not isinstance(image, np.ndarray):
        raise UsageError(f'a {type(image).__name__} is no image: give a file or an array')
    channels = image.shape[2] if image.ndim == 3 else 1
    if not image.size or image.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise UsageError(
            f'an array of shape {image.shape} is no image: it needs (H, W), (H, W, 3) or (H, W, 4)'
        )
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UsageError(
            f'an array of {image.dtype} is no image: it needs uint8, 0 to 255, or uint16'
        )
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image[..., :3])
