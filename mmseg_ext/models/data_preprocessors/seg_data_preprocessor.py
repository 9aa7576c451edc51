"""The data preprocessor that finishes on the device what workers leave to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor as StockSegDataPreProcessor
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList, stack_batch
from torch import Tensor

from mmseg_ext.registry import MODELS, TRANSFORMS
from mmseg_ext.transforms.batch_transform import BatchTransform
from mmseg_ext.transforms.colour_on_device import distort_batch
from mmseg_ext.transforms.mixup import MixUp

LABELS = ('gt_sem_seg', 'gt_edge_map', 'gt_depth_map')
FLIPS = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))


@MODELS.register_module()
class SegDataPreProcessor(StockSegDataPreProcessor):
    """MMSegmentation's ``SegDataPreProcessor``, on whole batches, with flips, colours and mixtures.

    Images and labels go to the device as they are, uint8 from ``mmseg_ext.PackSegInputs``. In
    training, in this order: flips and colours that transforms with ``on_device=True`` drew
    (metainfo ``on_device``), channel order, mean and standard deviation, padding,
    ``batch_augments``. A flip turns the image, not its padding. Images that are not mixed, and all
    in testing, are exactly what the stock class makes of them. A GPU is never waited for, but by
    copies to it, as in the stock class.

    The random numbers of ``batch_augments`` come from the draws of the batch's samples (metainfo
    ``draw_seed``, from ``mmseg_ext.SeededDataset``): they depend neither on the number of workers
    nor on an interruption, and processes differ. Under another Runner they come from PyTorch's
    global generator and the rank. A last batch of a single image, which has no partner, is left
    unmixed.

    Args:
        batch_augments: Configs of ``mmseg_ext.CutMix``, ``mmseg_ext.CopyPaste`` and
            ``mmseg_ext.MixUp``, done in this order; MixUp can only be the last.
        **kwargs: As MMSegmentation's.

    Raises:
        ValueError: MixUp is not the last, or ``batch_augments`` is no list of such configs. In
            training with ``batch_augments``: the first two batches are of one image, or samples
            have other labels than ``gt_sem_seg``. In testing: a flip or colours left to the device.
    """

    def __init__(self, *, batch_augments: Sequence[dict] | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        # MMSegmentation's own names for these differ between its versions
        self._swaps_channels = bool(kwargs.get('bgr_to_rgb') or kwargs.get('rgb_to_bgr'))
        self._normalizes = kwargs.get('mean') is not None
        self.batch_augments = _build(batch_augments or [])
        if any(isinstance(each, MixUp) for each in self.batch_augments[:-1]):
            raise ValueError(
                'batch_augments: MixUp gives each pixel two labels, which the others cannot mix; '
                'put it last'
            )
        self._met_one = self._met_several = False

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Makes a batch for the network.

        Args:
            data: ``inputs``, (C, H, W) each, and ``data_samples``, from the loader.
            training: Whether to do what is for training alone.

        Returns:
            ``inputs``, (N, C, H, W), float32, and ``data_samples``, labels int64 in training. In
            testing, if images differ in size: ``inputs`` is a list of (C, H, W) each.
        """
        if not training:
            if any('on_device' in sample for sample in data.get('data_samples') or []):
                raise ValueError(
                    'flips and colours on the device are for training; '
                    'take transforms with on_device=True out of the test pipeline'
                )
            return self._prepare_each(data)
        data = self.cast_data(data)
        images, samples = list(data['inputs']), data['data_samples']
        for index, sample in enumerate(samples):
            images[index] = _prepare(images[index], sample)
        # zeros where padding will be: pad_val is one of normalised images
        inputs, samples = stack_batch(
            images, samples, self.size, self.size_divisor, 0, self.seg_pad_val
        )
        inputs = self._normalize(inputs, samples)
        for image, sample in zip(inputs, samples, strict=True):
            if any(sample.padding_size):
                height, width = sample.img_shape
                image[:, height:] = self.pad_val
                image[:, :, width:] = self.pad_val
        if self.batch_augments:
            inputs = self._augment(inputs, samples)
        return dict(inputs=inputs, data_samples=samples)

    def _prepare_each(self, data: dict) -> dict[str, Any]:
        """Does what the stock class does in testing, but for images of several sizes too.

        Those are prepared one by one: stock would refuse them, and padding one for the sake of
        another would change what the network says of it.
        """
        inputs, samples = data['inputs'], data.get('data_samples')
        if isinstance(inputs, Tensor) or len({image.shape for image in inputs}) == 1:
            return super().forward(data)
        made = [
            super(SegDataPreProcessor, self).forward(
                dict(inputs=[image], data_samples=samples and [samples[index]])
            )
            for index, image in enumerate(inputs)
        ]
        images = [each['inputs'][0] for each in made]
        alike = len({image.shape for image in images}) == 1
        return dict(
            inputs=torch.stack(images) if alike else images,
            data_samples=samples and [each['data_samples'][0] for each in made],
        )

    def _normalize(self, inputs: Tensor, samples: SampleList) -> Tensor:
        colours = [sample.get('on_device', {}).get('colour') for sample in samples]
        if any(colours):
            inputs = distort_batch(inputs.float(), colours)
        if self._swaps_channels and inputs.size(1) == 3:
            inputs = inputs.flip(1)
        inputs = inputs.float()
        return (inputs - self.mean) / self.std if self._normalizes else inputs

    def _augment(self, inputs: Tensor, samples: SampleList) -> Tensor:
        if not self._has_partners(len(inputs)):
            return inputs
        for name in LABELS[1:]:
            if name in samples[0]:
                raise ValueError(f'batch_augments mix gt_sem_seg alone, but samples have {name}')
        label = torch.stack([sample.gt_sem_seg.data for sample in samples])
        rng = _make_rng(samples)
        for augment in self.batch_augments:
            mixed = augment(inputs, label, rng)
            inputs, label = mixed.inputs, mixed.seg_label
            for sample, metainfo in zip(samples, mixed.metainfo, strict=False):
                sample.set_metainfo(metainfo)
        for index, sample in enumerate(samples):
            sample.gt_sem_seg.data = label[index]
            if mixed.partner_label is not None:
                sample.gt_sem_seg_partner = PixelData(data=mixed.partner_label[index])
        return inputs

    def _has_partners(self, num_images: int) -> bool:
        """Whether to mix; an epoch may end in a batch of one, and a resumed run begin with it."""
        if num_images == 1 and self._met_one and not self._met_several:
            raise ValueError(
                'batch_augments mix the images of a batch, but every batch has one image; set '
                'train_dataloader.batch_size to 2 or more, or leave out batch_augments'
            )
        self._met_one |= num_images == 1
        self._met_several |= num_images > 1
        return num_images > 1


def _build(batch_augments: Sequence[dict]) -> list[BatchTransform]:
    if isinstance(batch_augments, (dict, str)):
        raise ValueError(f'batch_augments={batch_augments} is not a list of dict(type=...)')
    built = []
    for index, cfg in enumerate(batch_augments):
        try:
            augment = TRANSFORMS.build(cfg) if isinstance(cfg, dict) and 'type' in cfg else None
        except (TypeError, ValueError) as error:
            raise ValueError(f'batch_augments[{index}]={cfg}: {error}') from error
        if not isinstance(augment, BatchTransform):
            raise ValueError(
                f'batch_augments[{index}]={cfg} does not mix the images of a batch, as '
                'mmseg_ext.CutMix, CopyPaste and MixUp do; a transform of samples belongs in the '
                'pipeline, train_dataloader.dataset.pipeline, before PackSegInputs'
            )
        built.append(augment)
    return built


def _prepare(image: Tensor, sample: SegDataSample) -> Tensor:
    """Flips an image and its labels, where that was left to the device; labels become int64."""
    if 'gt_sem_seg' in sample:
        sample.gt_sem_seg.data = sample.gt_sem_seg.data.long()
    deferred = sample.get('on_device', {})
    unknown = sorted(set(deferred) - {'flip', 'colour'})
    if unknown:
        raise ValueError(f'on_device={unknown}: flip and colour can be done on the device')
    if 'flip' not in deferred:
        return image
    axes = FLIPS[deferred['flip']]
    for name in LABELS:
        if name in sample:
            label = getattr(sample, name)
            label.data = label.data.flip(axes)
    return image.flip(axes)


def _make_rng(samples: SampleList) -> np.random.Generator:
    if all('draw_seed' in sample for sample in samples):
        return np.random.default_rng([number for each in samples for number in each.draw_seed])
    # other Runners seed the global generators of all processes alike
    return np.random.default_rng([torch.randint(2**62, ()).item(), get_rank()])
