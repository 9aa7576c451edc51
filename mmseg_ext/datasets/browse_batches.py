"""Samples as the network gets them in training, where the data preprocessor works on batches."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from mmseg.registry import MODELS

from mmseg_ext.engine.errors import UsageError

from .browse import Browser, Sample, Stage, to_rgb


class BatchBrowser:
    """Passes a browser's samples through the data preprocessor, in batches, as training does.

    Args:
        browser: Draws the samples.
        data_preprocessor: Config; ``mmseg_ext.SegDataPreProcessor``.
        batch_size: Of the train loader. A sample's partners are those of its batch here: the next
            samples that are drawn, not those that training would put beside it.
    """

    def __init__(self, browser: Browser, data_preprocessor: dict, batch_size: int) -> None:
        self.browser = browser
        self.preprocessor = MODELS.build(dict(data_preprocessor))
        self.batch_size = batch_size
        # what the network gets is in this order, whatever the files have
        self.is_bgr = browser.is_bgr
        if data_preprocessor.get('bgr_to_rgb') or data_preprocessor.get('rgb_to_bgr'):
            self.is_bgr = not browser.is_bgr

    def load(self, indices: Sequence[int]) -> list[Sample]:
        """Loads samples; a last batch that is not full is filled with those that follow.

        Raises:
            UsageError: One does not load, or the data preprocessor refuses the batch.
        """
        wanted, size = list(indices), len(self.browser)
        missing = -len(wanted) % self.batch_size
        follow = ((wanted[-1] + number) % size for number in range(1, size))
        every = wanted + [index for index in follow if index not in wanted][:missing]
        samples: list[Sample] = []
        for first in range(0, len(every), self.batch_size):
            loaded = [
                self.browser.load_packed(index) for index in every[first : first + self.batch_size]
            ]
            samples += self._process(*map(list, zip(*loaded, strict=True)))
        return samples[: len(wanted)]

    def _process(self, samples: list[Sample], packed: list[dict]) -> list[Sample]:
        data = {key: [each[key] for each in packed] for key in ('inputs', 'data_samples')}
        try:
            with torch.no_grad():
                batch = self.preprocessor(data, training=True)
        # sizes that do not stack, settings that contradict each other
        except (ValueError, AssertionError, RuntimeError) as error:
            raise UsageError(
                f'model.data_preprocessor does not take the batch: {type(error).__name__}: {error}'
            ) from error
        return [
            replace(sample, final=self._look(inputs, after), partner=_partner(after))
            for sample, inputs, after in zip(
                samples, batch['inputs'], batch['data_samples'], strict=True
            )
        ]

    def _look(self, inputs: torch.Tensor, sample: BaseDataElement) -> Stage:
        if hasattr(self.preprocessor, 'mean'):
            inputs = inputs * self.preprocessor.std + self.preprocessor.mean
        # the way to floats and back does not end at 0 and 255 exactly
        image = inputs.numpy().transpose(1, 2, 0).clip(0, 255)
        return Stage('input', to_rgb(image, self.is_bgr), _label(sample, 'gt_sem_seg'))


def _partner(sample: BaseDataElement) -> tuple[float, np.ndarray] | None:
    """The share of the own labels, and those of the partner, where two count."""
    if 'gt_sem_seg_partner' not in sample:
        return None
    return float(sample.mixup_ratio), _label(sample, 'gt_sem_seg_partner')


def _label(sample: BaseDataElement, name: str) -> np.ndarray | None:
    return getattr(sample, name).data.squeeze(0).numpy() if name in sample else None
