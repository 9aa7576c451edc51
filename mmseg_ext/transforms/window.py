"""Windows of resized images and labels, without resizing the rest."""

import math

import cv2
import numpy as np

# Misalignment, in pixels of the source or the result, whichever are larger, that nobody can see:
# from one pixel to the next photographs change by a few grey levels, so it is a tenth of one.
TOLERANCE = 1 / 32


def resize_window(
    image: np.ndarray, size: tuple[int, int], offset: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Gives a window of ``cv2.resize(image, size)``, bilinear.

    Only the pixels of the source that the window needs are read, and some around them: OpenCV
    begins a pixel grid at the first source pixel it is given, so the part begins at one where the
    grid of the whole image has a pixel boundary too, within ``TOLERANCE``. The border of the image
    is always such a place.

    Args:
        image: (h, w) or (h, w, C), uint8 or float32.
        size: Width and height that the whole would be resized to.
        offset: Top and left of the window in that.
        shape: Height and width of the window; it lies within ``size``.

    Returns:
        (H, W) or (H, W, C), of the same type; it may be a view of the image.
    """
    (width, height), (top, left) = size, offset
    if (image.shape[1], image.shape[0]) == (width, height):
        return image[top : top + shape[0], left : left + shape[1]]
    first_y, last_y, skipped_y = _part(image.shape[0], height, top, shape[0])
    first_x, last_x, skipped_x = _part(image.shape[1], width, left, shape[1])
    resized = cv2.resize(
        image[first_y:last_y, first_x:last_x],
        dsize=None,
        # the exact factor: one that follows from the sizes of the part would drift
        fx=width / image.shape[1],
        fy=height / image.shape[0],
        interpolation=cv2.INTER_LINEAR,
    )
    rows, columns = slice(skipped_y, skipped_y + shape[0]), slice(skipped_x, skipped_x + shape[1])
    return resized[rows, columns]


def _part(old: int, new: int, start: int, length: int) -> tuple[int, int, int]:
    """The source pixels for ``length`` resized ones from ``start``: first, end, pixels to skip."""
    factor = new / old
    needed = max(0, math.floor((start + 0.5) / factor - 0.5))
    boundaries = np.arange(needed + 1) * factor
    aligned = np.abs(boundaries - boundaries.round()) <= TOLERANCE * min(factor, 1)
    first = int(np.flatnonzero(aligned)[-1])
    # the right neighbour of the last pixel, and one for rounding
    end = min(old, math.ceil((start + length - 0.5) / factor - 0.5) + 2)
    return first, end, start - round(first * factor)


class NearestResize:
    """Gives windows of ``cv2.resize(array, size, interpolation=cv2.INTER_NEAREST)``, exactly.

    Args:
        shape: Height and width of the arrays.
        size: Width and height that they would be resized to.
    """

    def __init__(self, shape: tuple[int, int], size: tuple[int, int]):
        self.rows, self.columns = _nearest(shape[0], size[1]), _nearest(shape[1], size[0])

    def window(
        self, array: np.ndarray, offset: tuple[int, int], shape: tuple[int, int]
    ) -> np.ndarray:
        """Gives a window as a new array.

        Args:
            array: (h, w), of any type.
            offset: Top and left of the window in the resized array.
            shape: Height and width; more than there is gives what there is.
        """
        rows, columns = (
            places[start : start + length]
            for places, start, length in zip((self.rows, self.columns), offset, shape, strict=True)
        )
        if array.dtype == np.uint8 and array.ndim == 2:
            # whole rows are copied at once, single pixels of rows one by one
            return cv2.transpose(cv2.transpose(array[rows])[columns])
        return array[rows][:, columns]


def _nearest(old: int, new: int) -> np.ndarray:
    """The source pixel of each resized one along an axis; OpenCV says which, as it rounds."""
    # exact up to 2**24 pixels
    ramp = np.arange(old, dtype=np.float32)[None]
    return cv2.resize(ramp, (new, 1), interpolation=cv2.INTER_NEAREST)[0].astype(np.intp)
