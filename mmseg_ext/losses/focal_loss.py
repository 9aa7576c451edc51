"""Focal loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_ext.registry import MODELS

from .functional import Request, Sums
from .settings import class_weights, fit_classes, shares
from .sums_loss import SumsLoss, reduce_losses


@MODELS.register_module()
class FocalLoss(SumsLoss):
    """Focal loss (Lin et al., 2017, arXiv 1708.02002, eq. 5), averaged over valid pixels.

    With sigmoid each class is told from all others, and the losses of a pixel's classes are added:
    -alpha (1 - p)^gamma log p for its own, -(1 - alpha) p^gamma log(1 - p) for each other one. With
    softmax it is -alpha (1 - p)^gamma log p of its own class alone.

    MMSegmentation divides by all pixels, ignored ones too, and by the classes; that is
    ``avg_non_ignore=False, avg_over_classes=True``. It makes the loss C times smaller or more, and
    lighter by as much beside a dice loss.

    Args:
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        gamma: Focusing exponent, at least 0.
        alpha: Weight of a class's own pixels, in [0, 1], one for all classes or one each. None:
            1, for the pixels of other classes too.
        class_weight: Factor on each class's losses, with sigmoid on its channel, with softmax on
            its pixels; numbers or their file.
        avg_non_ignore: Average over valid pixels, else over all.
        avg_over_classes: Divide by the number of classes too; sigmoid only.
        reduction: 'mean', 'sum', or 'none': the loss of each pixel, (N, H, W).
        loss_weight: Factor on the result.
        loss_name: Key in the log.

    Raises:
        ValueError: A setting out of range or without effect.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = 0.5,
        class_weight: Sequence[float] | str | None = None,
        avg_non_ignore: bool = True,
        avg_over_classes: bool = False,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ):
        super().__init__(use_sigmoid, reduction, loss_weight, loss_name)
        if not gamma >= 0:
            raise ValueError(f'gamma is at least 0, got {gamma}')
        if avg_over_classes and not use_sigmoid:
            raise ValueError('avg_over_classes has no effect with softmax: a pixel has one loss')
        self.gamma = float(gamma)
        self.avg_non_ignore, self.avg_over_classes = avg_non_ignore, avg_over_classes
        weights = class_weights(class_weight)
        own = torch.ones(1) if alpha is None else shares(alpha, 'alpha')
        other = torch.ones(1) if alpha is None else 1 - own
        if len({len(own), len(weights)} - {1}) > 1:
            raise ValueError(f'alpha has {len(own)} values, class_weight {len(weights)}')
        self.register_buffer('positive', own * weights, persistent=False)
        self.register_buffer('negative', other * weights, persistent=False)

    def request(self, num_classes: int, like: Tensor) -> Request:
        """See ``SumsLoss``."""
        positive = fit_classes(self.positive, num_classes, like, 'alpha or class_weight')
        if not self.use_sigmoid:
            return Request()
        return Request(gamma=self.gamma, positive=positive, negative=self.negative.to(like))

    def pixel_losses(self, sums: Sums) -> Tensor:
        """See ``SumsLoss``."""
        if self.use_sigmoid:
            return self.loss_weight * sums.losses
        # 1 - p, which keeps its digits where p is almost 1; the floor keeps 0^(gamma - 1) finite
        hardness = -torch.expm1(-sums.losses)
        focused = hardness.clamp(min=torch.finfo(hardness.dtype).tiny) ** self.gamma * sums.losses
        own = self.positive.to(focused).expand(sums.num_classes)
        return self.loss_weight * own[sums.target.channel] * focused

    def reduce(
        self,
        sums: Sums,
        kept: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction: str = 'mean',
    ) -> dict[str, Tensor]:
        """See ``SumsLoss``."""
        divisor = kept.sum() if self.avg_non_ignore else kept.numel()
        if self.avg_over_classes:
            divisor = divisor * sums.num_classes
        losses = self.pixel_losses(sums) * kept
        return {self.loss_name: reduce_losses(losses, divisor, weight, avg_factor, reduction)}
