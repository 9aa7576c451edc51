"""Colours of label files."""

import numpy as np


def voc_palette() -> np.ndarray:
    """Returns the colours of a VOC label file, (256, 3), uint8, RGB; row 255 is the void colour."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        for bit in range(8):
            palette[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return palette
