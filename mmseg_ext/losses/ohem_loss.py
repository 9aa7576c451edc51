"""Online hard example mining around other losses."""

import torch
from torch import Tensor, nn

from mmseg_ext.registry import MODELS

from .settings import check_reduction
from .streamed_loss import StreamedLoss
from .sums_loss import SumsLoss
from .target import Target


@MODELS.register_module()
class OHEMLoss(StreamedLoss):
    """Trains losses of pixels on the hardest pixels only (Shrivastava et al., 2016, 1604.03540).

    Pixels are ranked by the sum of the wrapped losses of pixels, their weights included, or by
    ``rank_by``. Losses of regions (dice) take no part in the ranking, as a region has no pixel of
    its own, and are trained on all valid pixels.

    A mean is taken over the kept pixels; with ``avg_non_ignore=False`` in a wrapped loss over all,
    as behind MMSegmentation's ``OHEMPixelSampler``.

    Args:
        losses: Config of a loss of mmseg_ext, or of several.
        min_kept: Pixels to keep, per image on average: the hardest of the batch. With ``min_loss``
            at least so many.
        min_loss: Keep every pixel whose loss is higher. For cross-entropy, -ln(0.7) = 0.357 keeps
            those whose own class has a probability below 0.7, MMSegmentation's ``thresh=0.7``.
        rank_by: Config of a loss of pixels to rank by instead; it is not trained.
        reduction: 'mean', 'sum', or 'none' where there are losses of pixels only.
        loss_name: Key in the log of a stock head. A head of mmseg_ext logs the wrapped losses.

    Raises:
        ValueError: Settings that keep every pixel, or no loss of pixels.
    """

    def __init__(
        self,
        losses: dict | list[dict],
        min_kept: int | None = None,
        min_loss: float | None = None,
        rank_by: dict | None = None,
        reduction: str = 'mean',
        loss_name: str = 'loss_ohem',
    ):
        super().__init__(reduction, loss_name)
        if min_kept is None and min_loss is None:
            raise ValueError('OHEMLoss keeps every pixel without min_kept or min_loss')
        if min_kept is not None and min_kept < 1:
            raise ValueError(f'min_kept is a number of pixels, at least 1, got {min_kept}')
        if min_loss is not None and min_loss <= 0:
            raise ValueError(f'min_loss={min_loss} keeps every pixel; it is above 0')
        self.min_kept, self.min_loss = min_kept, min_loss
        configs = [losses] if isinstance(losses, dict) else losses
        self.losses = nn.ModuleList([_build(config) for config in configs])
        if not any(loss.of_pixels for loss in self.losses):
            raise ValueError('OHEMLoss wraps no loss of pixels, so there is nothing to mine for')
        self.rank_by = None if rank_by is None else _build(rank_by)
        if rank_by is not None and not self.rank_by.of_pixels:
            raise ValueError(f'rank_by={rank_by["type"]} is no loss of pixels: it ranks none')

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
        if reduction == 'none' and not all(loss.of_pixels for loss in self.losses):
            raise ValueError("reduction='none': a loss of regions among the losses has no pixels")
        inputs = seg_logits, seg_label, weight, ignore_index, align_corners
        sums = [loss.sums(*inputs) for loss in self.losses]
        target = sums[0].target
        with torch.no_grad():
            ranking = zip(self.losses, sums, strict=True)
            if self.rank_by is not None:
                ranking = [(self.rank_by, self.rank_by.sums(*inputs))]
            ranks = [loss.pixel_losses(each) for loss, each in ranking if loss.of_pixels]
            kept = self.choose(sum(ranks), target.valid)
        found = {}
        for loss, each in zip(self.losses, sums, strict=True):
            for name, term in loss.reduce(each, kept, weight, avg_factor, reduction).items():
                found[name] = found[name] + term if name in found else term
        return target.mark(found), sums[0].correct, target

    def choose(self, pixel_losses: Tensor, valid: Tensor) -> Tensor:
        """Chooses the hard pixels.

        Args:
            pixel_losses: (N, H, W).
            valid: Pixels to choose from, (N, H, W), bool.

        Returns:
            The kept ones, (N, H, W), bool.

        Raises:
            ValueError: ``min_kept`` is as much as an image has.
        """
        num_images, height, width = valid.shape
        kept = torch.zeros_like(valid)
        if self.min_loss is not None:
            kept = valid & (pixel_losses > self.min_loss)
        if self.min_kept is not None:
            if self.min_kept >= height * width:
                raise ValueError(
                    f'min_kept={self.min_kept} keeps every pixel of {height}x{width}: lower it'
                )
            ranked = torch.where(valid, pixel_losses, -torch.inf).flatten()
            hardest = ranked.topk(self.min_kept * num_images, sorted=False).indices
            kept = kept.flatten().index_fill(0, hardest, True).view_as(valid) & valid
        return kept


def _build(config: dict) -> SumsLoss:
    loss = MODELS.build(config)
    if not isinstance(loss, SumsLoss):
        raise ValueError(
            f'OHEMLoss wraps FocalLoss, DiceLoss, CrossEntropyLoss and FocalDiceLoss of mmseg_ext, '
            f'got {config["type"]}: put mmseg_ext. before its name if it is one of them, or list '
            'it beside OHEMLoss in loss_decode'
        )
    if loss.reduction != 'mean':
        raise ValueError(
            f'reduction={loss.reduction!r} of {config["type"]} has no effect inside OHEMLoss: '
            'set it on OHEMLoss'
        )
    return loss
