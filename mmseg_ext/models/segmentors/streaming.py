"""Labels of an image without the (C, H, W) tensor of its upsampled logits."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .image_logits import ImageLogits
from .pruning import pruned_labels

# With fewer classes, upsampling all of them is as fast.
FEWEST_PRUNED = 8
# Elements (classes x H x W) that are upsampled at once: on a CPU they stay in the cache, on a GPU
# they are worth the starting of the kernels.
CHUNK_ELEMENTS, CHUNK_ELEMENTS_ON_GPU = 2**21, 2**26


def find_labels(image: ImageLogits, threshold: float | None = None) -> Tensor:
    """The class of the highest logit at each pixel, exactly MMSegmentation's.

    Classes are interpolated by the same operations as there, a few at a time; of several highest
    the first counts, nan is higher than all. On a CPU only the pixels are looked at where that is
    in doubt, see ``pruned_labels``.

    Args:
        image: Logits and placement.
        threshold: With a single class: the least probability, exclusive, that makes it label 1.

    Returns:
        (1, H, W), int64.
    """
    if image.num_classes == 1:
        return (image.upsampled(slice(0, 1), resize_always=True).sigmoid() > threshold).long()
    if not image.on_cpu:
        return _dense_labels(image, finite=False).unsqueeze(0)  # to look would wait for it
    finite = math.isfinite(image.peak)
    prune = finite and image.num_classes >= FEWEST_PRUNED
    labels = pruned_labels(image) if prune else None
    return (_dense_labels(image, finite) if labels is None else labels).unsqueeze(0)


def _dense_labels(image: ImageLogits, finite: bool) -> Tensor:
    """Upsamples all classes, chunk after chunk, and keeps the highest of each pixel."""
    height, width = image.placement.out_size
    elements = CHUNK_ELEMENTS if image.on_cpu else CHUNK_ELEMENTS_ON_GPU
    most = max(1, min(elements // (height * width), image.num_classes // 16))
    # resizing to the size that is there spreads nan; but on a GPU, where it copies
    resize_always = not finite and image.on_cpu
    highest = image.like.new_full((height, width), -torch.inf, dtype=image.dtype)
    labels = torch.zeros(height, width, dtype=torch.int16, device=highest.device)
    for chunk in image.chunks(most):
        upsampled = image.upsampled(chunk, resize_always)
        for values, classes in _contestants(upsampled, chunk.start):
            # the first of several that are equal stays, and of several nan
            higher = values > highest if finite else ~(values <= highest) & ~highest.isnan()
            labels = torch.where(higher, classes, labels)
            highest = torch.where(higher, values, highest)
        del upsampled, values  # before the next are made
    return labels.long()


def _contestants(chunk: Tensor, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Values, (H, W), and the classes that have them: one at a time, on a GPU the best of all.

    PyTorch's maximum is slow on a CPU along this side, and starting kernels is slow on a GPU.
    """
    if chunk.device.type != 'cpu':
        values, classes = chunk.max(0)
        yield values, classes.short() + start
    else:
        for number, values in enumerate(chunk, start):
            yield values, torch.tensor(number, dtype=torch.int16)
