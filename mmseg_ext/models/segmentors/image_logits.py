"""The logits of an image as a network makes them, upsampled a few classes at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .placement import Placement, resized
from .side_matrices import side_matrices

# PyTorch has two bilinear kernels on a CPU, which round differently. One takes all channels of a
# pixel in vectors, and those that are left over otherwise; it serves small outputs, height + width
# up to this, and logits in the order of channels_last. Chunks of a multiple of the vectors, 32
# numbers at most, keep each class where it is. Below 4 channels there are other ways again.
SMALL_OUTPUT, VECTOR, FEWEST = 128, 32, 4
# On a GPU logits in the order of channels_last have a kernel of their own from so many channels on.
FEWEST_LAST_ON_GPU = 16


@dataclass(frozen=True)
class Window:
    """The logits of a part of the input.

    Attributes:
        logits: As the head makes them, (C, h, w).
        rows: Of the padded input.
        columns: Likewise.
    """

    logits: Tensor
    rows: slice
    columns: slice


@dataclass(frozen=True)
class ImageLogits:
    """All that the labels of an image are made of.

    Attributes:
        windows: Row by row; one that is all of the input, or the windows of slide mode.
        placement: From the input to the image.
        sum_type: Of slide mode: the type of the network's input, in which the stock class adds up
            windows. None in whole mode: no sum.
    """

    windows: list[Window]
    placement: Placement
    sum_type: torch.dtype | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.windows[0].logits)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), at the size of the labels."""
        return self.num_classes, *self.placement.out_size

    @property
    def device(self) -> torch.device:
        """That of the logits."""
        return self.like.device

    @property
    def like(self) -> Tensor:
        """A tensor of the logits' type and device."""
        return self.windows[0].logits

    @property
    def dtype(self) -> torch.dtype:
        """Of the upsampled logits."""
        return self.sum_type or self.like.dtype

    @property
    def on_cpu(self) -> bool:
        """Whether kernels run at once, and what they need stays in a cache."""
        return self.device.type == 'cpu'

    @cached_property
    def peak(self) -> float:
        """The largest absolute value; inf or nan if there is one. Waits for a GPU."""
        lows, highs = zip(*(torch.aminmax(w.logits) for w in self.windows), strict=True)
        return float(torch.stack([-torch.stack(lows).amin(), torch.stack(highs).amax()]).amax())

    @cached_property
    def takes_vectors(self) -> bool:
        """Whether the rounding of a class depends on its place among those upsampled with it."""
        if not self.on_cpu:
            return False
        sizes = [self.placement.padded_size, self.placement.out_size]
        sizes += [(_length(window.rows), _length(window.columns)) for window in self.windows]
        return self._channels_last or any(sum(size) <= SMALL_OUTPUT for size in sizes)

    @cached_property
    def _channels_last(self) -> bool:
        last = torch.channels_last
        return any(w.logits.unsqueeze(0).is_contiguous(memory_format=last) for w in self.windows)

    def chunks(self, most: int) -> Iterator[slice]:
        """Cuts the classes into chunks that are upsampled as all together are.

        Args:
            most: Classes of a chunk, but for the least that is possible.
        """
        fewest = FEWEST if self.on_cpu or not self._channels_last else FEWEST_LAST_ON_GPU
        step = max(most // VECTOR, 1) * VECTOR if self.takes_vectors else max(most, fewest)
        start = 0
        while start < self.num_classes:
            stop = start + step
            if self.num_classes - stop < fewest:
                stop = self.num_classes
            yield slice(start, stop)
            start = stop

    def upsampled(self, classes: slice, resize_always: bool = False) -> Tensor:
        """The logits of some classes at the size of the labels, by MMSegmentation's operations.

        Args:
            classes: From ``chunks``; on a CPU any where not ``takes_vectors``, but three.
            resize_always: See ``Placement.place``.

        Returns:
            (classes, H, W), bit for bit those of the stock segmentor.
        """
        placed, align = self.placement, self.placement.align_corners
        parts = [window.logits[classes].unsqueeze(0) for window in self.windows]
        if self._channels_last:
            # copied for the strides, by which kernels are chosen: those of a slice are others
            parts = [_to_channels_last(part) for part in parts]
        if self.sum_type is None:
            padded = resized(parts[0], placed.padded_size, align, resize_always)
            return placed.place(padded, resize_always)
        shape = 1, parts[0].shape[1], *placed.padded_size
        padded = self.like.new_zeros(shape, dtype=self.dtype)
        for window, part in zip(self.windows, parts, strict=True):
            size = _length(window.rows), _length(window.columns)
            padded[:, :, window.rows, window.columns] += resized(part, size, align, resize_always)
        padded /= self._counts
        return placed.place(padded, resize_always)

    @cached_property
    def _counts(self) -> Tensor:
        """In how many windows a pixel of the input lies, (H', W')."""
        counts = self.like.new_zeros(self.placement.padded_size, dtype=self.dtype)
        for window in self.windows:
            counts[window.rows, window.columns] += 1
        return counts

    def height_matrices(self) -> list[Tensor]:
        """For each row of windows the matrix from its logits' rows to the labels', (H, h)."""
        placed = self.placement
        pieces = dict.fromkeys((_ends(w.rows), w.logits.shape[1]) for w in self.windows)
        return side_matrices(
            tuple(pieces),
            placed.padded_size[0],
            _ends(placed.rows),
            placed.flip == 'vertical',
            placed.out_size[0],
            placed.align_corners,
        )

    def width_matrices(self) -> list[Tensor]:
        """For each column of windows the matrix from its logits' columns to the labels', (W, w)."""
        placed = self.placement
        pieces = dict.fromkeys((_ends(w.columns), w.logits.shape[2]) for w in self.windows)
        return side_matrices(
            tuple(pieces),
            placed.padded_size[1],
            _ends(placed.columns),
            placed.flip == 'horizontal',
            placed.out_size[1],
            placed.align_corners,
        )


def _to_channels_last(part: Tensor) -> Tensor:
    return torch.empty_like(part, memory_format=torch.channels_last).copy_(part)


def _length(part: slice) -> int:
    return part.stop - part.start


def _ends(part: slice) -> tuple[int, int]:
    return part.start, part.stop
