"""Focal and dice loss in one pass."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from mmseg_ext.registry import MODELS

from .dice_loss import DiceLoss
from .focal_loss import FocalLoss
from .functional import Request, Sums
from .sums_loss import SumsLoss


@MODELS.register_module()
class FocalDiceLoss(SumsLoss):
    """``focal_weight`` times ``FocalLoss`` plus ``dice_weight`` times ``DiceLoss``, in one pass.

    With a head of mmseg_ext both are logged, as ``loss_focal`` and ``loss_dice``; a stock head logs
    their sum as ``loss_focal_dice``.

    Args:
        focal_weight: Factor on the focal loss, above 0.
        dice_weight: Factor on the dice loss, above 0.
        gamma: See ``FocalLoss``.
        alpha: See ``FocalLoss``.
        use_sigmoid: Sigmoid of each class for itself, else softmax.
        class_weight: See ``FocalLoss``; the dice loss weighs its classes alike.
        avg_non_ignore: See ``FocalLoss``.
        avg_over_classes: See ``FocalLoss``.
        naive_dice: See ``DiceLoss``.
        per_image: See ``DiceLoss``.
        pooled: See ``DiceLoss``.
        count_ignored: See ``DiceLoss``.
        eps: See ``DiceLoss``.
        reduction: 'mean' or 'sum'.
        loss_name: Key in the log of a stock head.

    Raises:
        ValueError: A setting out of range or without effect.
    """

    def __init__(
        self,
        focal_weight: float = 1.0,
        dice_weight: float = 1.0,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = 0.5,
        use_sigmoid: bool = True,
        class_weight: Sequence[float] | str | None = None,
        avg_non_ignore: bool = True,
        avg_over_classes: bool = False,
        naive_dice: bool = False,
        per_image: bool = False,
        pooled: bool = False,
        count_ignored: bool = False,
        eps: float = 1e-3,
        reduction: str = 'mean',
        loss_name: str = 'loss_focal_dice',
    ):
        super().__init__(use_sigmoid, reduction, 1.0, loss_name)
        _refuse_none(reduction)
        if focal_weight <= 0 or dice_weight <= 0:
            raise ValueError(
                f'focal_weight={focal_weight}, dice_weight={dice_weight}: both are above 0; for '
                'one of them alone take FocalLoss or DiceLoss'
            )
        self.focal = FocalLoss(
            use_sigmoid,
            gamma,
            alpha,
            class_weight,
            avg_non_ignore,
            avg_over_classes,
            loss_weight=focal_weight,
        )
        self.dice = DiceLoss(
            use_sigmoid, naive_dice, per_image, pooled, count_ignored, eps, loss_weight=dice_weight
        )

    def request(self, num_classes: int, like: Tensor) -> Request:
        """See ``SumsLoss``."""
        regions = self.dice.request(num_classes, like)
        pixels = self.focal.request(num_classes, like)
        return replace(pixels, power=regions.power, count_ignored=regions.count_ignored)

    def pixel_losses(self, sums: Sums) -> Tensor:
        """See ``SumsLoss``."""
        return self.focal.pixel_losses(sums)

    def reduce(
        self,
        sums: Sums,
        kept: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction: str = 'mean',
    ) -> dict[str, Tensor]:
        """See ``SumsLoss``."""
        _refuse_none(reduction)
        settings = sums, kept, weight, avg_factor, reduction
        return {**self.focal.reduce(*settings), **self.dice.reduce(*settings)}


def _refuse_none(reduction: str) -> None:
    if reduction == 'none':
        raise ValueError(
            "reduction='none': the focal loss is one per pixel, the dice loss one per class; "
            'take FocalLoss and DiceLoss, or mmseg_ext.OHEMLoss for hard pixels'
        )
