"""Lovasz loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmseg_ext.registry import MODELS

from .blocks import computing_like
from .lovasz_extension import SoftmaxLovasz, groups_of_images, lovasz_extension
from .settings import check_reduction, class_weights, fit_classes
from .sums_loss import reduce_losses
from .target import Target, check_shapes, make_target


@MODELS.register_module()
class LovaszLoss(nn.Module):
    """Lovasz-softmax or Lovasz hinge (Berman et al., 2018, arXiv 1705.08790): IoU as a loss.

    It ranks the pixels of a batch by their errors, and its value at certain predictions is 1 - IoU,
    averaged over classes. Logits have the size of the labels: a low-memory head upsamples them.

    Args:
        loss_type: 'multi_class' for a softmax over classes; 'binary' for the hinge of one channel,
            which at a margin above 1 is 0.
        classes: Classes to average over: 'present', those in the labels; 'all'; or some of them.
            For 'multi_class'.
        per_image: The loss of each image, averaged over the images with a valid pixel, else one
            loss of the batch.
        reduction: 'mean', 'sum' or 'none' of what ``per_image`` gives. The loss of a batch is one
            number, which all three leave as it is.
        class_weight: Factor on each class's loss; the mean is over the number of classes. Numbers
            or their file. For 'multi_class'.
        loss_weight: Factor on the result.
        loss_name: Key in the log; must start with ``loss_`` to be trained.

    Raises:
        ValueError: A setting that is wrong or without effect.
    """

    def __init__(
        self,
        loss_type: str = 'multi_class',
        classes: str | Sequence[int] = 'present',
        per_image: bool = False,
        reduction: str = 'mean',
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_lovasz',
    ):
        super().__init__()
        if loss_type not in ('multi_class', 'binary'):
            raise ValueError(f"loss_type is 'multi_class' or 'binary', got {loss_type!r}")
        self.is_binary, self.per_image = loss_type == 'binary', per_image
        self.reduction = check_reduction(reduction)
        self.loss_weight, self.loss_name = loss_weight, loss_name
        self.classes = classes if isinstance(classes, str) else list(classes)
        if self.classes not in ('present', 'all') and not _are_classes(self.classes):
            raise ValueError(
                f"classes is 'present', 'all' or a list of different classes, got {classes!r}"
            )
        if self.is_binary and (classes != 'present' or class_weight is not None):
            raise ValueError("classes and class_weight have no effect with loss_type='binary'")
        self.register_buffer('class_weight', class_weights(class_weight), persistent=False)

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
    ) -> Tensor:
        """Computes the loss of a batch, in float32, or float64 for such logits.

        Args:
            seg_logits: (N, C, H, W), any floating type; C is 1 for 'binary'.
            seg_label: Classes in [0, C) or ``ignore_index``, (N, H, W), integer; 0 and 1 for
                'binary'.
            weight: None: the loss ranks pixels against each other, and cannot weigh them.
            avg_factor: Replaces the divisor of a mean: the number of images, or 1 of the batch.
            reduction_override: Replaces ``reduction``.
            ignore_index: Label of pixels that take no part; None: there are none.

        Returns:
            A scalar; with ``per_image`` and reduction 'none' the loss of each image, (N,).

        Raises:
            ValueError: Wrong shapes; a ``weight``; a label outside the classes, on a CPU (on a GPU
                the result is NaN); ``avg_factor`` with reduction 'sum'.
        """
        reduction = check_reduction(reduction_override or self.reduction)
        if weight is not None:
            raise ValueError(
                'LovaszLoss cannot weigh pixels: it got a weight, as from a sampler of the head; '
                'take mmseg_ext.OHEMLoss for the other losses and list LovaszLoss beside it'
            )
        check_shapes(seg_logits, seg_label, None)
        if self.is_binary != (seg_logits.shape[1] == 1):
            raise ValueError(
                f"{seg_logits.shape[1]} channels of logits: loss_type='binary' is for a single "
                "one, 'multi_class' for several"
            )
        target = make_target(seg_label, seg_logits.shape[1], ignore_index)
        losses = (self._binary if self.is_binary else self._multi_class)(seg_logits, target)
        counted = target.valid.flatten(1).any(1) if self.per_image else target.valid.any()[None]
        loss = reduce_losses(losses, counted.sum(), None, avg_factor, reduction)
        loss = loss if self.per_image else loss.squeeze()
        return target.mark({self.loss_name: self.loss_weight * loss})[self.loss_name]

    def _multi_class(self, seg_logits: Tensor, target: Target) -> Tensor:
        """Lovasz-softmax of each image, (N,), or of the batch, (1,)."""
        num_classes = seg_logits.shape[1]
        classes = None if self.classes == 'present' else self.classes
        if classes == 'all':
            classes = list(range(num_classes))
        if classes is not None and max(classes) >= num_classes:
            raise ValueError(f'classes={classes} of a network with {num_classes} classes')
        weights = fit_classes(
            self.class_weight, num_classes, computing_like(seg_logits), 'class_weight'
        ).expand(num_classes)
        return SoftmaxLovasz.apply(seg_logits, target, classes, weights, self.per_image)

    def _binary(self, seg_logits: Tensor, target: Target) -> Tensor:
        """Lovasz hinge of each image, (N,), or of the batch, (1,)."""
        logits = seg_logits.squeeze(1).to(computing_like(seg_logits).dtype)
        margins = torch.where(target.positive, logits, -logits)
        errors = (1 - margins).masked_fill(~target.valid, -1)
        groups = groups_of_images(len(logits), self.per_image)
        pairs = [(errors[images], target.positive[images]) for images in groups]
        return torch.stack([lovasz_extension(e.flatten(), own.flatten()) for e, own in pairs])


def _are_classes(classes: list[int] | str) -> bool:
    if isinstance(classes, str) or not classes:
        return False
    return min(classes) >= 0 and len(set(classes)) == len(classes)
