"""Dice loss."""

import torch
from torch import Tensor

from mmseg_ext.registry import MODELS

from .functional import Request, Sums
from .sums_loss import SumsLoss, reduce_losses


@MODELS.register_module()
class DiceLoss(SumsLoss):
    """Dice loss: 1 - 2 |P and T| / (|P| + |T|) of the probabilities P and the truth T of a class.

    The ratio is taken per class over the batch, and the mean over the classes that occur: a class
    without a pixel has no overlap to gain, and would only add a constant near 1.

    MMSegmentation takes one ratio per image over all classes together, in which a class of few
    pixels hardly counts: ``pooled=True, per_image=True``. Its sizes count ignored pixels too:
    ``count_ignored=True``, for repeating what was trained with it.

    Args:
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        naive_dice: Probabilities as they are in the sizes, else squared (V-Net, Milletari et al.,
            2016, arXiv 1606.04797).
        per_image: A ratio per image, else over the batch.
        pooled: One ratio for all classes together.
        count_ignored: Let predictions at ignored pixels count in the sizes, and pull on the network
            there. An image of ignored pixels alone then counts as 1.
        eps: Added to numerator and denominator with ``naive_dice``, else twice to the denominator.
        reduction: 'mean', 'sum', or 'none': the loss of each ratio, (N, C), (C,), (N,) or ().
        loss_weight: Factor on the result.
        loss_name: Key in the log.

    Raises:
        ValueError: ``eps`` is not positive.
    """

    of_pixels = False

    def __init__(
        self,
        use_sigmoid: bool = True,
        naive_dice: bool = False,
        per_image: bool = False,
        pooled: bool = False,
        count_ignored: bool = False,
        eps: float = 1e-3,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice',
    ):
        super().__init__(use_sigmoid, reduction, loss_weight, loss_name)
        if not eps > 0:
            raise ValueError(f'eps is positive, or 0/0 would be NaN; got {eps}')
        self.naive_dice, self.per_image, self.pooled = naive_dice, per_image, pooled
        self.count_ignored, self.eps = count_ignored, eps

    def request(self, num_classes: int, like: Tensor) -> Request:
        """See ``SumsLoss``."""
        return Request(power=1 if self.naive_dice else 2, count_ignored=self.count_ignored)

    def reduce(
        self,
        sums: Sums,
        kept: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction: str = 'mean',
    ) -> dict[str, Tensor]:
        """See ``SumsLoss``. ``kept`` and ``weight`` are for pixels: the sums hold the latter."""
        together = [
            side for side, alone in enumerate([self.per_image, not self.pooled]) if not alone
        ]
        overlap, size, area = sums.overlaps, sums.sizes, sums.areas
        if together:
            overlap, size, area = (each.sum(together) for each in (overlap, size, area))
        if self.naive_dice:
            dice = (2 * overlap + self.eps) / (size + area + self.eps)
        else:
            dice = 2 * overlap / (size + area + 2 * self.eps)
        # one ratio for all classes has none that is absent
        counts = torch.ones_like(area) if self.count_ignored and self.pooled else area > 0
        losses = self.loss_weight * ((1 - dice) * counts).to(sums.losses.dtype)
        return {self.loss_name: reduce_losses(losses, counts.sum(), None, avg_factor, reduction)}
