"""Probabilities of an image, added up band by band."""

from torch import Tensor

from .image_logits import ImageLogits

# Elements (classes x rows x width) of a band: on a CPU they stay in the cache.
BAND_ELEMENTS = dict(cpu=2**20, cuda=2**26)


def add_probabilities(image: ImageLogits, sums: Tensor) -> None:
    """Adds the softmax, or with one class the sigmoid, of the upsampled logits, in place.

    Upsampling, mean of windows, crop, flip and resize are one product along each side, so they
    differ from the stock operations by float rounding.

    Args:
        image: Logits and placement.
        sums: (C, H, W), floating, at the size of the labels.
    """
    num_classes, height, width = sums.shape
    across = [matrix.to(sums).t().contiguous() for matrix in image.width_matrices()]
    wides = [
        sum(w.logits.to(sums) @ matrix for w, matrix in zip(row, across, strict=True))
        for row in _rows(image, len(across))
    ]
    down = [matrix.to(sums) for matrix in image.height_matrices()]
    kind = 'cuda' if sums.is_cuda else 'cpu'
    step = max(1, BAND_ELEMENTS[kind] // (num_classes * width))
    for start in range(0, height, step):
        band = slice(start, start + step)
        logits = sum(_product(matrix[band], wide) for matrix, wide in zip(down, wides, strict=True))
        sums[:, band] += logits.softmax(0) if num_classes > 1 else logits.sigmoid()


def _rows(image: ImageLogits, num_columns: int) -> list[list]:
    windows = image.windows
    return [windows[i : i + num_columns] for i in range(0, len(windows), num_columns)]


def _product(matrix: Tensor, wide: Tensor) -> Tensor:
    """Rows of the image, (C, rows, W), from those of a wide map, (C, h, W), that they need."""
    used = (matrix != 0).any(0).nonzero().flatten().tolist() or [0]
    sources = slice(used[0], used[-1] + 1)
    return matrix[:, sources] @ wide[:, sources]
