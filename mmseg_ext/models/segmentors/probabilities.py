"""Probabilities of an image, added up band by band."""

from mmengine.runner.amp import autocast
from torch import Tensor

from .image_logits import ImageLogits

# Elements (classes x rows x width) of a band: on a CPU they stay in the cache.
BAND_ELEMENTS, BAND_ELEMENTS_ON_GPU = 2**20, 2**26


def add_probabilities(image: ImageLogits, sums: Tensor) -> None:
    """Adds the softmax, or with one class the sigmoid, of the upsampled logits, in place.

    Upsampling, mean of windows, crop, flip and resize are one product along each side, so they
    differ from the stock operations by float rounding.

    Args:
        image: Logits and placement.
        sums: (C, H, W), floating, at the size of the labels.
    """
    with autocast(sums.device.type, enabled=False):  # which would take half precision for products
        _add(image, sums)


def _add(image: ImageLogits, sums: Tensor) -> None:
    num_classes, height, width = sums.shape
    across = [matrix.to(sums).t().contiguous() for matrix in image.width_matrices()]
    wides = [
        sum(w.logits.to(sums) @ matrix for w, matrix in zip(row, across, strict=True))
        for row in _rows(image, len(across))
    ]
    downs = [(matrix, matrix.to(sums)) for matrix in image.height_matrices()]
    elements = BAND_ELEMENTS if image.on_cpu else BAND_ELEMENTS_ON_GPU
    step = max(1, elements // (num_classes * width))
    for start in range(0, height, step):
        band = slice(start, start + step)
        logits = 0
        for (matrix, on_device), wide in zip(downs, wides, strict=True):
            sources = _sources(matrix[band])  # on the CPU, so that no device is waited for
            logits = logits + on_device[band, sources] @ wide[:, sources]
        sums[:, band] += logits.softmax(0) if num_classes > 1 else logits.sigmoid()


def _rows(image: ImageLogits, num_columns: int) -> list[list]:
    windows = image.windows
    return [windows[i : i + num_columns] for i in range(0, len(windows), num_columns)]


def _sources(matrix: Tensor) -> slice:
    """The columns that have other values than zero."""
    used = matrix.any(0).nonzero().flatten().tolist() or [0]
    return slice(used[0], used[-1] + 1)
