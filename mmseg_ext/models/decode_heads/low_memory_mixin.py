"""Losses from logits as the head makes them, without ever upsampling all of them."""

import warnings

import torch
from mmseg.models.losses import accuracy
from mmseg.models.utils import resize
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmseg_ext.losses import StreamedLoss


class LowMemoryMixin:
    """Hands low-resolution logits to losses of mmseg_ext; put it before a stock head.

    The stock head upsamples the logits of all classes to the size of the labels, and keeps that and
    more for the backward pass. Losses of mmseg_ext upsample a few rows at a time, and tell the
    accuracy on the way. Any other loss in ``loss_decode``, and a ``sampler``, get the logits
    upsampled, as in the stock head. Parameters and their names are the stock head's.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        others = [
            type(loss).__name__ for loss in self._losses if not isinstance(loss, StreamedLoss)
        ]
        if others or self.sampler is not None:
            reason = ', '.join(others) or 'a sampler'
            warnings.warn(
                f'{type(self).__name__} saves no memory because of {reason}: take losses of '
                'mmseg_ext, and OHEMLoss for a sampler',
                stacklevel=2,
            )

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the losses and the pixel accuracy.

        Args:
            seg_logits: What ``forward`` gave, (N, C, h, w).
            batch_data_samples: Samples with ``gt_sem_seg``, (1, H, W) each.

        Returns:
            The losses by name, and ``acc_seg``: the share of valid pixels whose class has the
            highest logit, in percent, (1,).
        """
        if self.sampler is not None:
            return super().loss_by_feat(seg_logits, batch_data_samples)
        labels = [sample.gt_sem_seg.data for sample in batch_data_samples]
        seg_label = torch.stack(labels).squeeze(1)
        upsampled, acc_seg, losses = None, None, {}
        for loss in self._losses:
            if isinstance(loss, StreamedLoss):
                terms, correct, target = loss.terms(
                    seg_logits,
                    seg_label,
                    ignore_index=self.ignore_index,
                    align_corners=self.align_corners,
                )
                hits, valid = (correct & target.valid).sum(), target.valid.sum()
                acc_seg = (100 * hits / valid.clamp(min=1)).view(1)
            else:
                if upsampled is None:
                    upsampled = resize(
                        seg_logits, seg_label.shape[1:], None, 'bilinear', self.align_corners
                    )
                terms = {
                    loss.loss_name: loss(
                        upsampled, seg_label, weight=None, ignore_index=self.ignore_index
                    )
                }
            for name, term in terms.items():
                losses[name] = losses[name] + term if name in losses else term
        if acc_seg is None:
            acc_seg = accuracy(upsampled, seg_label, ignore_index=self.ignore_index)
        return dict(losses, acc_seg=acc_seg)

    @property
    def _losses(self) -> list[nn.Module]:
        several = isinstance(self.loss_decode, nn.ModuleList)
        return list(self.loss_decode) if several else [self.loss_decode]
