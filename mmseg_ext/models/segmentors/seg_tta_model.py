"""MMSegmentation's SegTTAModel, which holds one map of probabilities and not all logits."""

import math

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel as StockSegTTAModel
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

from mmseg_ext.registry import MODELS

from .encoder_decoder import EncoderDecoder
from .probabilities import add_probabilities


@MODELS.register_module()
class SegTTAModel(StockSegTTAModel):
    """MMSegmentation's ``SegTTAModel``: the mean probability over scales and flips decides.

    The views of an image go through the network one after the other, and each adds its
    probabilities to one map, (C, H, W), of the image's own size; the stock class keeps the logits
    of all views. Labels are its own but for ties within float rounding, and but for a single class,
    where the stock class takes the sigmoid of a sigmoid.

    A merged sample has ``pred_sem_seg``, (1, H, W), int64, the metainfo of the view that is neither
    flipped nor, if one such is there, resized, and that view's ``gt_sem_seg``.
    """

    def test_step(self, data: dict) -> SampleList:
        """Predicts the labels of a batch.

        Args:
            data: ``inputs`` and ``data_samples``: for each view a list with all images.

        Returns:
            One sample an image.
        """
        views, sums = [], None
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
            view = dict(inputs=inputs, data_samples=samples)
            if isinstance(self.module, EncoderDecoder):
                batch = self.module.data_preprocessor(view, False)
                images = self.module.predict_logits(**batch)
                view, add = batch['data_samples'], add_probabilities
            else:
                view = self.module.test_step(view)
                images, add = [_take_logits(sample) for sample in view], _add_made
            sums = sums or [torch.zeros(image.shape, device=image.device) for image in images]
            for image, of_image in zip(images, sums, strict=True):
                add(image, of_image)
            views.append(view)
        return [
            self._merged(samples, of_image.div_(len(views)))
            for samples, of_image in zip(zip(*views, strict=True), sums, strict=True)
        ]

    def _merged(self, samples: tuple[SegDataSample, ...], chances: Tensor) -> SegDataSample:
        if len(chances) == 1:
            labels = (chances > self.module.decode_head.threshold).long()
        else:
            labels = chances.argmax(0, keepdim=True)
        merged = min(samples, key=_changes)
        merged.set_data(dict(pred_sem_seg=PixelData(data=labels)))
        return merged


def _add_made(logits: Tensor, sums: Tensor) -> None:
    # of a single class segmentors give the sigmoid already
    sums += logits.softmax(0) if len(logits) > 1 else logits


def _take_logits(sample: SegDataSample) -> Tensor:
    logits = sample.seg_logits.data
    del sample.seg_logits
    return logits


def _changes(sample: SegDataSample) -> tuple[bool, float]:
    """How far a view is from the image itself."""
    scale = sample.get('scale_factor', (1.0, 1.0))
    return bool(sample.get('flip')), max(abs(math.log(side)) for side in scale)
