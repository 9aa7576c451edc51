"""Cross-entropy."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_ext.registry import MODELS

from .functional import Request, Sums
from .settings import class_weights, fit_classes
from .sums_loss import SumsLoss, reduce_losses


@MODELS.register_module()
class CrossEntropyLoss(SumsLoss):
    """Cross-entropy, averaged over valid pixels.

    The mean, weights and smoothing are those of ``torch.nn.functional.cross_entropy``: with class
    weights the divisor is the sum of the weights of the pixels' classes. With sigmoid it is the
    binary cross-entropy of each class, averaged over classes too, as MMSegmentation does.

    Args:
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        class_weight: Weight of each class's pixels; with sigmoid, the factor on -log p of a class's
            own pixels. Numbers or their file.
        avg_non_ignore: Average over valid pixels, else over all, an ignored one counting as 1.
        label_smoothing: Share of a pixel's target that all classes get alike, in [0, 1); softmax
            only.
        reduction: 'mean', 'sum', or 'none': the loss of each pixel, (N, H, W).
        loss_weight: Factor on the result.
        loss_name: Key in the log.

    Raises:
        ValueError: A setting out of range or without effect.
    """

    def __init__(
        self,
        use_sigmoid: bool = False,
        class_weight: Sequence[float] | str | None = None,
        avg_non_ignore: bool = True,
        label_smoothing: float = 0.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ):
        super().__init__(use_sigmoid, reduction, loss_weight, loss_name)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f'label_smoothing lies in [0, 1), got {label_smoothing}')
        if label_smoothing and use_sigmoid:
            raise ValueError('label_smoothing has no effect with use_sigmoid=True')
        self.avg_non_ignore, self.label_smoothing = avg_non_ignore, label_smoothing
        self.register_buffer('class_weight', class_weights(class_weight), persistent=False)

    def request(self, num_classes: int, like: Tensor) -> Request:
        """See ``SumsLoss``."""
        weights = fit_classes(self.class_weight, num_classes, like, 'class_weight')
        if self.use_sigmoid:
            return Request(gamma=0.0, positive=weights, negative=like.new_ones(1))
        return Request(smoothing=weights.expand(num_classes) if self.label_smoothing else None)

    def pixel_losses(self, sums: Sums) -> Tensor:
        """See ``SumsLoss``."""
        losses = sums.losses
        if not self.use_sigmoid:
            losses = losses * self._weights(sums)
        if self.label_smoothing:
            everywhere = sums.smooth / sums.num_classes
            losses = torch.lerp(losses, everywhere, self.label_smoothing)
        return self.loss_weight * losses

    def reduce(
        self,
        sums: Sums,
        kept: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction: str = 'mean',
    ) -> dict[str, Tensor]:
        """See ``SumsLoss``."""
        if self.use_sigmoid:
            divisor = kept.sum() if self.avg_non_ignore else kept.numel()
            divisor = divisor * sums.num_classes
        else:
            divisor = (self._weights(sums) * kept).sum()
            if not self.avg_non_ignore:
                divisor = divisor + (~kept).sum()
        losses = self.pixel_losses(sums) * kept
        return {self.loss_name: reduce_losses(losses, divisor, weight, avg_factor, reduction)}

    def _weights(self, sums: Sums) -> Tensor:
        """The weight of each pixel's class, (N, H, W), or (1,) for all alike."""
        weights = self.class_weight.to(sums.losses)
        return weights if len(weights) == 1 else weights[sums.target.channel]
