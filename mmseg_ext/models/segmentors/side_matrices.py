"""The way from logits to labels along one side of an image, as matrices."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


# one of a large image takes some 10 MB; a TTA of 3 scales with flips needs 9, of both sides
@lru_cache(maxsize=12)
def side_matrices(
    pieces: tuple[tuple[tuple[int, int], int], ...],
    length: int,
    kept: tuple[int, int],
    flipped: bool,
    out_length: int,
    align_corners: bool,
) -> list[Tensor]:
    """Along one side: upsampling of windows, their mean, crop, flip and resize, as one product.

    In slide mode as well, as the windows are a grid: a pixel lies in so many rows of windows times
    so many columns.

    Args:
        pieces: First and last + 1 pixel of each window, and the length of its logits.
        length: Of the padded input.
        kept: First and last + 1 pixel of the image in it.
        flipped: Whether the image was flipped along this side.
        out_length: Of the labels.
        align_corners: As in ``F.interpolate``.

    Returns:
        A matrix (out, in) for each piece, float32, on the CPU.
    """
    counts = torch.zeros(length, 1)
    for (start, stop), _ in pieces:
        counts[start:stop] += 1
    made = []
    for (start, stop), in_length in pieces:
        whole = torch.zeros(length, in_length)
        whole[start:stop] = _resized(torch.eye(in_length), stop - start, align_corners)
        whole = (whole / counts)[slice(*kept)]
        made.append(_resized(whole.flip(0) if flipped else whole, out_length, align_corners))
    return made


def _resized(matrix: Tensor, num_rows: int, align_corners: bool) -> Tensor:
    """Interpolates between rows: what takes units there is the matrix of the interpolation."""
    if len(matrix) == num_rows:
        return matrix
    columns = matrix.t()[None, :, :, None]
    made = F.interpolate(columns, (num_rows, 1), mode='bilinear', align_corners=align_corners)
    return made[0, :, :, 0].t().contiguous()
