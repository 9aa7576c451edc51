"""Bilinear upsampling of logits to the size of the labels, a band of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Band:
    """Rows of the output and the input rows that they are made of.

    Attributes:
        rows: Output rows.
        sources: Input rows.
        weights: What each input row gives to each output row, (rows, sources).
    """

    rows: slice
    sources: slice
    weights: Tensor


class Upsampling:
    """``F.interpolate(mode='bilinear')`` as two matrices: for bands, and for the transpose.

    A product with one matrix upsamples along the width, with a band of the other along the height,
    and the transposed products give the gradient: the same on every run, which PyTorch's own
    backward on a GPU is not.

    Args:
        in_size: Height and width of the logits.
        out_size: Height and width of the labels. May be smaller.
        align_corners: As in ``F.interpolate``.
        like: Gives type and device of the result.
    """

    def __init__(
        self, in_size: tuple[int, int], out_size: tuple[int, int], align_corners: bool, like: Tensor
    ):
        self.in_size, self.out_size, self.dtype = in_size, out_size, like.dtype
        self.is_identity = in_size == out_size
        self.height, self.firsts, self.lasts = interpolation_matrix(
            in_size[0], out_size[0], align_corners, like.dtype, like.device
        )
        self.width, *_ = interpolation_matrix(
            in_size[1], out_size[1], align_corners, like.dtype, like.device
        )
        self.width_transposed = self.width.t().contiguous()

    def bands(self, num_rows: int) -> Iterator[Band]:
        """Cuts the output into bands of so many rows, the last one of what is left."""
        for start in range(0, self.out_size[0], num_rows):
            stop = min(start + num_rows, self.out_size[0])
            sources = slice(self.firsts[start], self.lasts[stop - 1] + 1)
            weights = self.height[start:stop, sources].contiguous()
            yield Band(slice(start, stop), sources, weights)

    def empty_wide(self, num_images: int, num_channels: int, like: Tensor) -> Tensor | None:
        """Memory for ``widen``, (N, C, h, W); None if the sizes are the same and nothing is made.

        Args:
            num_images: N.
            num_channels: C.
            like: Gives type and device.
        """
        shape = num_images, num_channels, self.in_size[0], self.out_size[1]
        return None if self.is_identity else like.new_empty(shape)

    def widen(self, logits: Tensor, out: Tensor) -> Tensor:
        """Upsamples along the width, which comes first as there are fewer rows now than afterwards.

        Args:
            logits: (N, C, h, w), any floating type.
            out: Takes the result, (N, C, h, W).
        """
        # contiguous: one product, not one for each image and class
        return torch.matmul(logits.to(self.dtype).contiguous(), self.width_transposed, out=out)

    def upsample(self, wide: Tensor, band: Band, out: Tensor) -> Tensor:
        """Writes a band of the upsampled logits to ``out``, (N, C, rows, W).

        Args:
            wide: From ``widen``, (N, C, h, W).
            band: One of ``bands``.
            out: Takes the result.
        """
        return torch.matmul(band.weights, wide[:, :, band.sources], out=out)

    def add_transposed(self, gradient: Tensor, band: Band, out: Tensor) -> None:
        """Adds a band's share of the gradient of ``widen``'s result: ``upsample`` transposed.

        Args:
            gradient: Of the band, (N, C, rows, W).
            band: One of ``bands``.
            out: (N, C, h, W).
        """
        out[:, :, band.sources] += band.weights.t().contiguous() @ gradient

    def narrow(self, gradient: Tensor, out: Tensor) -> Tensor:
        """The transpose of ``widen``: (N, C, h, W) to ``out``, (N, C, h, w)."""
        return torch.matmul(gradient, self.width, out=out)


@lru_cache(maxsize=64)
def interpolation_matrix(
    in_length: int, out_length: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, list[int], list[int]]:
    """The matrix of bilinear interpolation along one side.

    Its columns are what PyTorch makes of the unit vectors, so the weights are PyTorch's own.

    Args:
        in_length: Pixels before.
        out_length: Pixels afterwards.
        align_corners: As in ``F.interpolate``.
        dtype: Of the matrix.
        device: Of the matrix.

    Returns:
        The matrix, (out, in), shared by all callers, and each row's first and last source.
    """
    units = torch.eye(in_length, dtype=dtype).view(1, in_length, in_length, 1)
    made = F.interpolate(units, size=(out_length, 1), mode='bilinear', align_corners=align_corners)
    matrix = made[0, :, :, 0].t().contiguous()
    used = (matrix != 0).int()
    firsts = used.argmax(1).tolist()
    lasts = (in_length - 1 - used.flip(1).argmax(1)).tolist()
    return matrix.to(device), firsts, lasts
