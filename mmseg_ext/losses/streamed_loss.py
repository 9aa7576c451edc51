"""The common face of the losses that take logits smaller than the labels."""

from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from .settings import check_reduction
from .target import Target


class StreamedLoss(nn.Module, metaclass=ABCMeta):
    """A loss that upsamples logits by itself, a few rows at a time, and may have several terms.

    Args:
        reduction: 'mean', 'sum' or 'none'.
        loss_name: Key in the log of a stock head; must start with ``loss_`` to be trained.
    """

    def __init__(self, reduction: str, loss_name: str):
        super().__init__()
        self.reduction, self.loss_name = check_reduction(reduction), loss_name

    @abstractmethod
    def terms(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
        align_corners: bool | None = None,
    ) -> tuple[dict[str, Tensor], Tensor, Target]:
        """Computes the terms of the loss. Arguments as in ``forward``.

        Returns:
            The terms by their names in the log; whether each pixel's class has the highest logit,
            (N, H, W), bool; the labels, prepared.
        """

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
        align_corners: bool | None = None,
    ) -> Tensor:
        """Computes the loss of a batch, in float32, or float64 for such logits.

        Args:
            seg_logits: (N, C, h, w), any floating type.
            seg_label: Classes in [0, C) or ``ignore_index``, (N, H, W), integer.
            weight: Weight of each pixel, (N, H, W).
            avg_factor: Replaces the divisor of a mean.
            reduction_override: Replaces ``reduction``.
            ignore_index: Label of pixels that take no part; None: there are none.
            align_corners: How to upsample the logits to the size of the labels, as in
                ``F.interpolate``; None: the sizes are the same.

        Returns:
            A scalar; with reduction 'none' the loss of each pixel, (N, H, W), or region.

        Raises:
            ValueError: Wrong shapes; a label outside the classes, on a CPU (on a GPU the result is
                NaN); ``avg_factor`` with reduction 'sum'.
        """
        losses, *_ = self.terms(
            seg_logits,
            seg_label,
            weight,
            avg_factor,
            reduction_override,
            ignore_index,
            align_corners,
        )
        return sum(losses.values())
