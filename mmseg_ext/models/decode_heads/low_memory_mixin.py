"""Losses from logits as the head makes them, without ever upsampling all of them."""

import warnings

import torch
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmseg_ext.losses import StreamedLoss


class LowMemoryMixin:
    """Hands low-resolution logits to losses of mmseg_ext; put it before a stock head.

    The stock head upsamples the logits of all classes to the size of the labels, and keeps that and
    more for the backward pass. Losses of mmseg_ext upsample a few rows at a time, and tell the
    accuracy on the way. Any other loss in ``loss_decode``, and a ``sampler``, get the logits
    upsampled, as in the stock head. Parameters and their names are the stock head's.

    A batch that ``mmseg_ext.MixUp`` blended has two labels a pixel: every loss, and the accuracy,
    is then lambda times that of the images' own labels plus 1 - lambda times that of the partners'.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        reasons = [
            type(loss).__name__ for loss in self._losses if not isinstance(loss, StreamedLoss)
        ]
        if self.sampler is not None:
            reasons.append(type(self.sampler).__name__)
        if reasons:
            warnings.warn(
                f'{type(self).__name__} upsamples all logits, as the stock head does, for '
                f'{", ".join(reasons)}: to save that memory take losses of mmseg_ext, '
                'mmseg_ext.OHEMLoss for a sampler',
                stacklevel=2,
            )

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the losses and the pixel accuracy.

        Args:
            seg_logits: What ``forward`` gave, (N, C, h, w).
            batch_data_samples: Samples with ``gt_sem_seg``, (1, H, W) each; after MixUp also with
                ``gt_sem_seg_partner`` and, in the metainfo, ``mixup_ratio``.

        Returns:
            The losses by name, and ``acc_seg``: percent of the valid pixels whose class has the
            highest logit, (1,), 0 where none is valid; a single channel decides by its sign.
            Without a loss of mmseg_ext, what the stock head gives: 100 where none is valid, and
            with a single channel the percentage of label 0.
        """
        if 'mixup_ratio' in batch_data_samples[0]:
            return self._loss_of_blend(seg_logits, batch_data_samples)
        streamed = [isinstance(loss, StreamedLoss) for loss in self._losses]
        if self.sampler is not None or not any(streamed):
            return super().loss_by_feat(seg_logits, batch_data_samples)
        labels = [sample.gt_sem_seg.data for sample in batch_data_samples]
        seg_label = torch.stack(labels).squeeze(1)
        if not all(streamed):
            size = seg_label.shape[1:]
            upsampled = resize(seg_logits, size, None, 'bilinear', self.align_corners)
        losses = {}
        for loss in self._losses:
            if isinstance(loss, StreamedLoss):
                terms, correct, target = loss.terms(
                    seg_logits,
                    seg_label,
                    ignore_index=self.ignore_index,
                    align_corners=self.align_corners,
                )
            else:
                value = loss(upsampled, seg_label, weight=None, ignore_index=self.ignore_index)
                terms = {loss.loss_name: value}
            for name, term in terms.items():
                losses[name] = losses[name] + term if name in losses else term
        hits, valid = (correct & target.valid).sum(), target.valid.sum()
        return dict(losses, acc_seg=(100 * hits / valid.clamp(min=1)).view(1))

    def _loss_of_blend(self, seg_logits: Tensor, samples: SampleList) -> dict[str, Tensor]:
        ratio = samples[0].mixup_ratio
        own, partners = (
            self.loss_by_feat(seg_logits, [SegDataSample(gt_sem_seg=label) for label in labels])
            for labels in zip(*((s.gt_sem_seg, s.gt_sem_seg_partner) for s in samples), strict=True)
        )
        return {name: ratio * own[name] + (1 - ratio) * partners[name] for name in own}

    @property
    def _losses(self) -> list[nn.Module]:
        several = isinstance(self.loss_decode, nn.ModuleList)
        return list(self.loss_decode) if several else [self.loss_decode]
