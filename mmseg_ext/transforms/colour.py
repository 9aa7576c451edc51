"""What a photometric distortion does to an image: drawn once, done by tables here, or on a device.

``mmseg_ext.models.data_preprocessors`` does it on a device.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# OpenCV's 8-bit hue is in steps of 2 degrees.
HUES = 180
VALUES = np.arange(256)


@dataclass(frozen=True)
class Distortion:
    """One draw of MMSegmentation's PhotoMetricDistortion; None leaves a step out.

    Steps in order: brightness, contrast if ``contrast_first``, saturation, hue, contrast if not.
    After each step values are clipped to [0, 255] and cut to whole numbers.

    Attributes:
        brightness: Added to each channel.
        contrast: Factor on each channel.
        saturation: Factor on the saturation of OpenCV's 8-bit HSV.
        hue: Added to its hue, modulo 180; a whole number, in steps of 2 degrees.
        contrast_first: Whether the contrast comes before the saturation, else after the hue.
    """

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: int | None = None
    contrast_first: bool = False


def distort(image: np.ndarray, distortion: Distortion) -> np.ndarray:
    """Distorts the colours of an image.

    Every step maps one byte to another, so it is a table of 256 bytes. Brightness and a contrast
    right after it are one table; saturation and hue share one way to HSV and back, where
    MMSegmentation goes twice.

    Args:
        image: (H, W, 3), uint8, BGR.
        distortion: What to do.

    Returns:
        (H, W, 3), uint8; the image itself if there is nothing to do.
    """
    contrast = None if distortion.contrast is None else _linear(factor=distortion.contrast)
    table = None if distortion.brightness is None else _linear(offset=distortion.brightness)
    if contrast is not None and distortion.contrast_first:
        table = contrast if table is None else contrast[table]
    if table is not None:
        image = cv2.LUT(image, table)
    tables = {}
    if distortion.hue is not None:
        tables[0] = ((VALUES + distortion.hue) % HUES).astype(np.uint8)
    if distortion.saturation is not None:
        tables[1] = _linear(factor=distortion.saturation)
    if tables:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        for channel, table in tables.items():
            # planes: a table for three interleaved channels takes three times as long
            plane = cv2.LUT(cv2.extractChannel(image, channel), table)
            cv2.insertChannel(plane, image, channel)
        image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    if contrast is not None and not distortion.contrast_first:
        image = cv2.LUT(image, contrast)
    return image


def _linear(factor: float = 1, offset: float = 0) -> np.ndarray:
    """The table of a linear step, in the arithmetic of the stock transform."""
    return np.clip(VALUES.astype(np.float32) * factor + offset, 0, 255).astype(np.uint8)
