"""Upsampled logits, block by block: what the passes over them share."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .upsampling import Band, Upsampling

# Elements (images x classes x rows x width) of a block. On a CPU a block's tensors stay in the
# cache; on a GPU a block must be worth the starting of some thirty kernels.
BLOCK_ELEMENTS = dict(cpu=2**20, gpu=2**26)


@dataclass(frozen=True)
class Block:
    """Some images' rows.

    Attributes:
        images: Which images.
        band: Which rows.
        buffers: (images, C, rows, W) each; the first holds the upsampled logits, the others
            anything.
    """

    images: slice
    band: Band
    buffers: list[Tensor]

    def of(self, pixels: Tensor) -> Tensor:
        """The block's part, (images, 1, rows, W), a view, of a value per pixel, (N, H, W)."""
        return pixels[self.images, self.band.rows].unsqueeze(1)


class Blocks:
    """Upsampled logits, block by block, in memory that every block uses again.

    Args:
        logits: (N, C, h, w).
        out_size: Height and width of the labels.
        align_corners: As in ``F.interpolate``.
        num_buffers: Tensors of a block's size that the pass needs.
    """

    def __init__(
        self, logits: Tensor, out_size: tuple[int, int], align_corners: bool, num_buffers: int
    ):
        self.logits, self.num_buffers = logits, num_buffers
        self.like = computing_like(logits)
        self.upsampling = Upsampling(tuple(logits.shape[2:]), out_size, align_corners, self.like)

    def __iter__(self) -> Iterator[Block]:
        num_images, num_channels = self.logits.shape[:2]
        height, width = self.upsampling.out_size
        row = num_channels * width
        step, num_rows = plan_blocks(num_images, height, row, self.logits.device.type != 'cpu')
        flat = [self.like.new_empty(step * num_rows * row) for _ in range(self.num_buffers)]
        wides = self.upsampling.empty_wide(step, num_channels, self.like)
        for start in range(0, num_images, step):
            images = slice(start, min(start + step, num_images))
            num = images.stop - start
            logits = self.logits[images]
            wide = None if wides is None else self.upsampling.widen(logits, out=wides[:num])
            for band in self.upsampling.bands(num_rows):
                shape = torch.Size((num, num_channels, band.rows.stop - band.rows.start, width))
                buffers = [each[: shape.numel()].view(shape) for each in flat]
                if wide is None:
                    buffers[0].copy_(logits[:, :, band.rows])
                else:
                    self.upsampling.upsample(wide, band, out=buffers[0])
                yield Block(images, band, buffers)


def plan_blocks(num_images: int, height: int, row: int, is_gpu: bool) -> tuple[int, int]:
    """How many images and rows of each make a block.

    A CPU takes one image after the other, or several if all of each fits. A GPU takes rows of all
    images: a thin band is a cheap product.

    Args:
        num_images: N.
        height: Rows of the labels.
        row: Elements of a row of one image, classes x width.
        is_gpu: Not on a CPU.
    """
    if is_gpu:
        # a small batch, too, is never upsampled as a whole
        most = min(BLOCK_ELEMENTS['gpu'], max(num_images * height * row // 16, 2**20))
        return num_images, max(1, min(most // (num_images * row), height))
    most = BLOCK_ELEMENTS['cpu']
    return max(1, min(most // (row * height), num_images)), max(1, min(most // row, height))


class Gradient:
    """The gradient of the logits, put together from that of the blocks in their order.

    Args:
        blocks: What will be walked over.

    Attributes:
        logits: The result, (N, C, h, w), whole after the last block.
    """

    def __init__(self, blocks: Blocks):
        self.upsampling, self.wide = blocks.upsampling, None
        shape = blocks.logits.shape
        self.logits = blocks.like.new_zeros(shape)

    def add(self, block: Block, gradient: Tensor) -> None:
        """Adds the gradient of a block's upsampled logits, (images, C, rows, W)."""
        rows, logits = block.band.rows, self.logits[block.images]
        if self.upsampling.is_identity:
            logits[:, :, rows] = gradient
            return
        if self.wide is None:
            self.wide = self.upsampling.empty_wide(*gradient.shape[:2], gradient)
        wide = self.wide[: len(gradient)]
        if rows.start == 0:
            wide.zero_()
        self.upsampling.add_transposed(gradient, block.band, out=wide)
        if rows.stop == self.upsampling.out_size[0]:
            self.upsampling.narrow(wide, out=logits)


def computing_like(logits: Tensor) -> Tensor:
    """Nothing, of the device and type to compute in.

    That type is float64 for float64, and float32 for all else: half precision is for networks, not
    for sums.
    """
    dtype = logits.dtype if logits.dtype == torch.float64 else torch.float32
    return logits.new_empty(0, dtype=dtype)


def weighted_sum(values: Tensor, pixel_weight: Tensor) -> Tensor:
    """Sums over pixels.

    Args:
        values: (N, C, rows, W).
        pixel_weight: (N, 1, rows, W).

    Returns:
        (N, C), float64.
    """
    return torch.bmm(values.flatten(2), pixel_weight.flatten(1).unsqueeze(2)).squeeze(2).double()


def raised(base: Tensor, exponent: float, out: Tensor | None = None) -> Tensor:
    """``base ** exponent``, by a product where that is one; ``out`` may stay unused."""
    if exponent == 1:
        return base
    if exponent == 2:
        return torch.square(base, out=out)
    return torch.pow(base, exponent, out=out)
