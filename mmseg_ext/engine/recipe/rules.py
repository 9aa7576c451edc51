"""Arithmetic of batches, epochs and learning rates; needs no config."""

import math
from typing import NamedTuple

from mmseg_ext.engine.errors import UsageError


class Setup(NamedTuple):
    """How an optimizer step's batch is put together."""

    gpus: int
    batch: int  # images a GPU and iteration
    accumulation: int = 1  # iterations whose gradients make one step

    @property
    def per_iter(self) -> int:
        """Images of one iteration, on all GPUs."""
        return self.gpus * self.batch

    @property
    def total(self) -> int:
        """Images of one optimizer step."""
        return self.per_iter * self.accumulation


def linear_rate(rate: float, old_batch: int, new_batch: int) -> float:
    """The learning rate in proportion to the batch: for SGD (Goyal et al., 2017, arXiv 1706.02677).

    Args:
        rate: Learning rate at ``old_batch``.
        old_batch: Images a step that the rate was made for.
        new_batch: Images a step now.
    """
    return rate * new_batch / old_batch


def square_root_rate(rate: float, old_batch: int, new_batch: int) -> float:
    """The learning rate in proportion to the root of the batch: for Adam and its like.

    Krizhevsky (2014, arXiv 1404.5997) derives it from the variance of the gradients; Malladi et al.
    (2022, arXiv 2205.10287) show it for adaptive optimizers.

    Args:
        rate: Learning rate at ``old_batch``.
        old_batch: Images a step that the rate was made for.
        new_batch: Images a step now.
    """
    return rate * math.sqrt(new_batch / old_batch)


def is_adaptive(optimizer: str) -> bool:
    """Whether an optimizer, by its name, divides by the size of the gradients, as Adam does."""
    return any(part in optimizer.lower() for part in ('ada', 'rmsprop'))


def choose_setup(total: int, gpus: int, largest: int) -> Setup:
    """Puts a batch together on a number of GPUs, exactly if that is possible.

    Args:
        total: Images of one optimizer step that are wanted.
        gpus: GPUs there are.
        largest: Images that a GPU holds at a time. Fewer are taken where that makes the batch
            exact, but not one alone, over which BatchNorm has no variance in layers of 1x1.

    Returns:
        The setup whose ``total`` is nearest; among equals the one of the largest batch a GPU.
    """
    sizes = range(largest, min(largest, 2) - 1, -1)
    setups = [Setup(gpus, size, max(1, round(total / (gpus * size)))) for size in sizes]
    return min(setups, key=lambda setup: abs(setup.total - total))


def check_positive(**numbers: float | None) -> None:
    """Raises ``UsageError`` for a number that is given and not above 0; names as on the command."""
    for name, number in numbers.items():
        if number is not None and not 0 < number < math.inf:
            raise UsageError(f'--{name.replace("_", "-")} {number} is not a number above 0')


class Length(NamedTuple):
    """A training's length, in every unit."""

    epochs: float
    iterations: float  # optimizer steps, if nothing is accumulated
    samples: float


def convert_length(
    images: int, batch: int, epochs: int | None = None, iterations: int | None = None
) -> Length:
    """Turns epochs into iterations, or iterations into epochs.

    Args:
        images: Training images.
        batch: Images of one iteration, on all GPUs.
        epochs: Length in epochs; an incomplete last batch counts as an iteration.
        iterations: Length in iterations instead.

    Raises:
        UsageError: Both lengths or none, or a batch of more images than there are.
    """
    if (epochs is None) == (iterations is None):
        raise UsageError('one length is needed: either --epochs or --iters')
    if batch > images:
        raise UsageError(f'--batch {batch} is more than the {images} training images')
    if iterations is None:
        return Length(epochs, epochs * math.ceil(images / batch), epochs * images)
    return Length(iterations * batch / images, iterations, iterations * batch)
