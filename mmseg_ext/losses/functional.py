"""Sums over the pixels of a batch, from which every loss here is made, as functions of tensors."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .blocks import computing_like
from .sigmoid_sums import SigmoidSums
from .softmax_sums import SoftmaxSums
from .target import Target, check_shapes, make_target


@dataclass(frozen=True)
class Request:
    """Which sums a loss needs. What is None is not computed, and 0 or None in the result.

    Attributes:
        gamma: Exponent of a sigmoid focal loss.
        negative: Its weights of the classes a pixel is not, (C,), or (1,) for all alike.
        positive: Its weights of the class a pixel is, (C,) or (1,).
        smoothing: Weights of the classes in ``Sums.smooth``, (C,); softmax only.
        power: Exponent of the probabilities in ``Sums.sizes``, 1 or 2.
        count_ignored: Let ignored pixels count in ``Sums.sizes``.
    """

    gamma: float | None = None
    negative: Tensor | None = None
    positive: Tensor | None = None
    smoothing: Tensor | None = None
    power: int | None = None
    count_ignored: bool = False


@dataclass(frozen=True)
class Sums:
    """Sums of a batch.

    Attributes:
        losses: Sigmoid focal loss or softmax cross-entropy of each pixel, (N, H, W).
        smooth: Weighted sum of -log p over all classes, of each pixel, (N, H, W); softmax only.
        overlaps: Probabilities summed over the pixels of the class, (N, C), float64.
        sizes: Probabilities to a power, summed over all pixels, (N, C), float64.
        areas: Number, or weight, of the pixels of the class, (N, C), float64.
        correct: Whether each pixel's class has the highest logit, (N, H, W), bool.
        target: The labels.
    """

    losses: Tensor
    overlaps: Tensor
    sizes: Tensor
    areas: Tensor | None
    correct: Tensor
    target: Target = field(repr=False)
    smooth: Tensor | None = None

    @property
    def num_classes(self) -> int:
        """Channels C of the logits."""
        return self.overlaps.shape[1]


def batch_sums(
    seg_logits: Tensor,
    seg_label: Tensor,
    request: Request,
    use_sigmoid: bool,
    region_weight: Tensor | None = None,
    ignore_index: int | None = 255,
    align_corners: bool | None = None,
) -> Sums:
    """Sums a batch without ever holding the logits at the size of the labels.

    Computed in float32, or float64 for such logits, under autocast too; on a GPU in TF32 where
    that is turned on for products. Differentiable once.

    Args:
        seg_logits: (N, C, h, w), any floating type.
        seg_label: Classes or ``ignore_index``, (N, H, W), integer.
        request: What to compute.
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        region_weight: Weight of each pixel in overlaps, sizes and areas, (N, H, W); None: 1.
        ignore_index: Label of pixels that take no part; None: there are none.
        align_corners: Of the bilinear upsampling to the size of the labels; None: the sizes are
            the same.

    Raises:
        ValueError: Wrong shapes or types; a label outside the classes, on a CPU.
    """
    check_shapes(seg_logits, seg_label, align_corners)
    num_channels = seg_logits.shape[1]
    target = make_target(seg_label, num_channels, ignore_index)
    align_corners = bool(align_corners)
    region = areas = None
    if request.power is not None:
        counted = torch.ones_like(target.valid) if request.count_ignored else target.valid
        region = counted.to(computing_like(seg_logits))
        if region_weight is not None:
            region = region * region_weight.to(region)
        areas = target.sum_by_channel(region, num_channels)
    if use_sigmoid:
        losses, overlaps, sizes, correct = SigmoidSums.apply(
            seg_logits,
            target,
            align_corners,
            request.gamma,
            request.negative,
            request.positive,
            request.power,
            region,
        )
        return Sums(losses, overlaps, sizes, areas, correct, target)
    losses, smooth, overlaps, sizes, correct = SoftmaxSums.apply(
        seg_logits, target, align_corners, request.smoothing, request.power, region
    )
    return Sums(losses, overlaps, sizes, areas, correct, target, smooth)
