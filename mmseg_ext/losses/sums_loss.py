"""Losses that are made of one pass over the logits."""

from abc import abstractmethod

import torch
from torch import Tensor

from .blocks import computing_like
from .functional import Request, Sums, batch_sums
from .settings import check_reduction
from .streamed_loss import StreamedLoss
from .target import Target, check_shapes, check_weight


class SumsLoss(StreamedLoss):
    """A loss in two steps: ``sums`` walks over the logits, ``reduce`` makes losses of the sums.

    So losses can share the walk, and OHEM can choose pixels in between.

    Args:
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        reduction: 'mean', 'sum' or 'none'.
        loss_weight: Factor on the result.
        loss_name: Key in the log; must start with ``loss_`` to be trained.

    Raises:
        ValueError: A setting that is wrong or would have no effect.
    """

    of_pixels = True  # else of regions alone, with no loss of each pixel

    def __init__(self, use_sigmoid: bool, reduction: str, loss_weight: float, loss_name: str):
        super().__init__(reduction, loss_name)
        self.use_sigmoid, self.loss_weight = use_sigmoid, loss_weight

    @abstractmethod
    def request(self, num_classes: int, like: Tensor) -> Request:
        """Says which sums the loss needs.

        Args:
            num_classes: Channels C of the logits.
            like: Gives type and device of the vectors in the request.
        """

    @abstractmethod
    def reduce(
        self,
        sums: Sums,
        kept: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction: str = 'mean',
    ) -> dict[str, Tensor]:
        """Makes losses of sums.

        Args:
            sums: Of a batch.
            kept: Pixels that losses of pixels count, (N, H, W), bool, valid ones only. Losses of
                regions count all valid pixels.
            weight: Weight of each pixel, (N, H, W).
            avg_factor: Replaces the divisor of a mean.
            reduction: 'mean', 'sum' or 'none'.

        Returns:
            By name, ``loss_weight`` times the loss.
        """

    def pixel_losses(self, sums: Sums) -> Tensor:
        """The loss of each pixel, (N, H, W), times ``loss_weight``, if ``of_pixels``."""
        raise NotImplementedError(f'{type(self).__name__} has no loss of each pixel')

    def sums(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int | None = 255,
        align_corners: bool | None = None,
    ) -> Sums:
        """Walks over the logits. See ``batch_sums``."""
        check_weight(weight, seg_label)
        check_shapes(seg_logits, seg_label, align_corners)
        num_channels = seg_logits.shape[1]
        if num_channels == 1 and not self.use_sigmoid:
            raise ValueError('softmax of a single channel is always 1: set use_sigmoid=True')
        request = self.request(num_channels, computing_like(seg_logits))
        return batch_sums(
            seg_logits, seg_label, request, self.use_sigmoid, weight, ignore_index, align_corners
        )

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
        """See ``StreamedLoss``."""
        reduction = check_reduction(reduction_override or self.reduction)
        sums = self.sums(seg_logits, seg_label, weight, ignore_index, align_corners)
        losses = self.reduce(sums, sums.target.valid, weight, avg_factor, reduction)
        return sums.target.mark(losses), sums.correct, sums.target


def reduce_losses(
    losses: Tensor,
    divisor: Tensor | float,
    weight: Tensor | None,
    avg_factor: float | None,
    reduction: str,
) -> Tensor:
    """Reduces losses of pixels or regions, which are 0 where they do not count.

    A divisor of 0, where none counts, leaves the 0 that the sum is.

    Args:
        losses: Of any shape.
        divisor: Of a mean.
        weight: Factors, of the same shape.
        avg_factor: Replaces the divisor.
        reduction: 'mean', 'sum' or 'none'.

    Raises:
        ValueError: ``avg_factor`` with 'sum', as in MMSegmentation.
    """
    if weight is not None:
        losses = losses * weight.to(losses)
    if reduction == 'none':
        return losses
    if reduction == 'sum':
        if avg_factor is not None:
            raise ValueError(f"avg_factor={avg_factor} has no effect with reduction='sum'")
        return losses.sum()
    divisor = divisor if avg_factor is None else avg_factor
    if isinstance(divisor, Tensor):
        divisor = torch.where(divisor == 0, 1, divisor).to(losses)
    elif divisor == 0:  # a number stays one: to bring it to a GPU, the run would have to wait
        divisor = 1
    return losses.sum() / divisor
