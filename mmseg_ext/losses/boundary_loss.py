"""Boundary loss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_ext.registry import MODELS

from .blocks import computing_like
from .settings import check_reduction
from .sums_loss import reduce_losses
from .target import check_shapes, check_weight, make_target


@MODELS.register_module()
class BoundaryLoss(nn.Module):
    """Binary cross-entropy of boundaries, balanced (PIDNet, Xu et al., 2023, arXiv 2206.02066).

    Pixels of a boundary weigh by the share of the others, and the others by that of the boundary,
    both among the valid pixels of the batch. So a batch without a boundary has a loss of 0.

    MMSegmentation averages over all pixels, ignored ones too: ``avg_non_ignore=False``. The default
    is that times the number of pixels over that of valid ones.

    Args:
        avg_non_ignore: Average over valid pixels, else over all.
        reduction: 'mean', 'sum', or 'none': the loss of each pixel, (N, H, W).
        loss_weight: Factor on the result.
        loss_name: Key in the log; must start with ``loss_`` to be trained.
    """

    def __init__(
        self,
        avg_non_ignore: bool = True,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_boundary',
    ):
        super().__init__()
        self.avg_non_ignore, self.reduction = avg_non_ignore, check_reduction(reduction)
        self.loss_weight, self.loss_name = loss_weight, loss_name

    def forward(
        self,
        bd_logits: Tensor,
        bd_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
    ) -> Tensor:
        """Computes the loss of a batch, in float32, or float64 for such logits.

        Args:
            bd_logits: (N, 1, H, W), any floating type.
            bd_label: 1 on a boundary, else 0, or ``ignore_index``, (N, H, W), integer.
            weight: Weight of each pixel, (N, H, W); the balance does not see it.
            avg_factor: Replaces the divisor of a mean.
            reduction_override: Replaces ``reduction``.
            ignore_index: Label of pixels that take no part, as the padding is; None: there are
                none.

        Returns:
            A scalar; with reduction 'none' the loss of each pixel, (N, H, W).

        Raises:
            ValueError: Wrong shapes; a label that is neither 0 nor 1, on a CPU (on a GPU the result
                is NaN); ``avg_factor`` with reduction 'sum'.
        """
        reduction = check_reduction(reduction_override or self.reduction)
        check_shapes(bd_logits, bd_label, None)
        check_weight(weight, bd_label)
        if bd_logits.shape[1] != 1:
            raise ValueError(f'logits of boundaries have one channel, got {bd_logits.shape[1]}')
        target = make_target(bd_label, 1, ignore_index)
        valid, boundary = target.valid, target.positive
        num_valid = valid.sum()
        # masked before and after: neither a NaN there nor its gradient gets through
        logits = bd_logits.squeeze(1).to(computing_like(bd_logits).dtype).masked_fill(~valid, 0)
        share = boundary.sum().to(logits) / num_valid.clamp(min=1)
        balance = torch.where(boundary, 1 - share, share) * valid
        losses = balance * F.binary_cross_entropy_with_logits(
            logits, boundary.to(logits), reduction='none'
        )
        divisor = num_valid if self.avg_non_ignore else valid.numel()
        loss = reduce_losses(losses, divisor, weight, avg_factor, reduction)
        return target.mark({self.loss_name: self.loss_weight * loss})[self.loss_name]
