"""MMSegmentation's EncoderDecoder, which finds labels without upsampling all logits at once."""

from collections.abc import Callable, Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder as StockEncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

from mmseg_ext.registry import MODELS

from .image_logits import ImageLogits, Window
from .losses_of_images import losses_of_image, sample_for_loss
from .placement import Placement
from .streaming import find_labels


@MODELS.register_module()
class EncoderDecoder(StockEncoderDecoder):
    """MMSegmentation's ``EncoderDecoder`` with the same labels in less time and memory.

    Same arguments, parameters and training. In prediction the logits of all classes are never
    upsampled together (``find_labels``), in slide mode neither; so samples have ``pred_sem_seg``,
    (1, H, W), int64, and no ``seg_logits``, unless ``test_cfg=dict(keep_logits=True)``, which goes
    the stock way. A head that predicts in its own way is asked as in the stock class.

    A batch may have images of several sizes: those of one size run together.
    """

    def predict(
        self, inputs: Tensor | Sequence[Tensor], data_samples: SampleList | None = None
    ) -> SampleList:
        """Predicts labels.

        Args:
            inputs: Images, (N, 3, H, W), or (3, H, W) each, of any sizes.
            data_samples: Their samples, which get the labels; else new ones.

        Returns:
            The samples, with ``pred_sem_seg`` at their ``ori_shape``.
        """
        return _run_by_size(self._predict_batch, inputs, data_samples)

    def predict_logits(
        self, inputs: Tensor | Sequence[Tensor], data_samples: SampleList
    ) -> list[ImageLogits]:
        """What ``predict`` finds labels from, image by image, at low resolution.

        Args:
            inputs: As for ``predict``.
            data_samples: Their samples.
        """
        return _run_by_size(self._logits_of_batch, inputs, data_samples)

    def predict_with_loss(
        self, inputs: Tensor | Sequence[Tensor], data_samples: SampleList
    ) -> tuple[SampleList, list[dict[str, Tensor]]]:
        """Predicts labels and tells the losses that training would have on each image by itself.

        In whole mode both come from one pass through the network. In slide mode the losses need a
        second one, over the whole image. Labels count at their own size, logits are resized to it;
        where the image was padded, they are brought to its size in the input, nearest, and padded
        with the head's ``ignore_index``.

        Args:
            inputs: As for ``predict``.
            data_samples: Their samples, with ``gt_sem_seg``, (1, H, W).

        Returns:
            The samples with ``pred_sem_seg``, and losses, one dict an image, named as in training:
            ``decode.loss_ce``, ``decode.acc_seg``, ``aux.loss_ce``.

        Raises:
            ValueError: A sample has no truth.
        """
        both = _run_by_size(self._predict_batch_with_loss, inputs, data_samples)
        samples, losses = zip(*both, strict=True)
        return list(samples), list(losses)

    def _predict_batch(self, inputs: Tensor, data_samples: SampleList | None) -> SampleList:
        if self.test_cfg.get('keep_logits'):
            return super().predict(inputs, data_samples)
        return self._label(self._logits_of_batch(inputs, data_samples), data_samples)

    def _predict_batch_with_loss(
        self, inputs: Tensor, data_samples: SampleList
    ) -> list[tuple[SegDataSample, dict[str, Tensor]]]:
        size, ignore_index = inputs.shape[2:], getattr(self.decode_head, 'ignore_index', None)
        for_loss = [sample_for_loss(sample, tuple(size), ignore_index) for sample in data_samples]
        features, logits = self.extract_feat(inputs), None
        if self._is_slide or self.test_cfg.get('keep_logits') or not self._predicts_as_base:
            predicted = self._predict_batch(inputs, data_samples)
        else:
            logits = self.decode_head(features)
            metas = [sample.metainfo for sample in data_samples]
            predicted = self._label(self._whole(logits, metas, metas), data_samples)
        losses = [
            losses_of_image(self, features, logits, number, sample)
            for number, sample in enumerate(for_loss)
        ]
        return list(zip(predicted, losses, strict=True))

    @property
    def _is_slide(self) -> bool:
        mode = self.test_cfg.get('mode', 'whole')
        if mode not in ('slide', 'whole'):
            raise ValueError(f'test_cfg.mode={mode!r}: there are whole and slide')
        return mode == 'slide'

    @property
    def _predicts_as_base(self) -> bool:
        """Whether the head only resizes, by BaseDecodeHead's methods, what its forward gives."""
        kind = type(self.decode_head)
        return all(
            getattr(kind, name, None) is getattr(BaseDecodeHead, name)
            for name in ('predict', 'predict_by_feat')
        )

    def _label(self, images: list[ImageLogits], samples: SampleList | None) -> SampleList:
        # heads that predict in their own way need not have one
        threshold = getattr(self.decode_head, 'threshold', None)
        samples = samples or [SegDataSample() for _ in images]
        for image, sample in zip(images, samples, strict=True):
            sample.set_data(dict(pred_sem_seg=PixelData(data=find_labels(image, threshold))))
        return samples

    def _logits_of_batch(
        self, inputs: Tensor, data_samples: SampleList | None
    ) -> list[ImageLogits]:
        size = inputs.shape[2:]
        placed = [sample.metainfo for sample in data_samples or []] or [None] * len(inputs)
        metas = [
            meta or dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)
            for meta in placed
        ]
        if self._is_slide:
            return self._slide(inputs, metas, placed)
        features = self.extract_feat(inputs)
        if self._predicts_as_base:
            return self._whole(self.decode_head(features), metas, placed)
        logits = self.decode_head.predict(features, metas, self.test_cfg)
        return self._place(logits, logits.shape[2:], placed)

    def _whole(
        self, logits: Tensor, metas: list[dict], placed: list[dict | None]
    ) -> list[ImageLogits]:
        return self._place(logits, _decoded_size(metas[0]), placed)

    def _place(
        self, logits: Tensor, size: Sequence[int], placed: list[dict | None]
    ) -> list[ImageLogits]:
        window = slice(0, int(size[0])), slice(0, int(size[1]))
        return [
            ImageLogits(
                [Window(of_image.detach(), *window)],
                Placement.of_sample(metainfo, size, self.align_corners),
            )
            for of_image, metainfo in zip(logits, placed, strict=True)
        ]

    def _slide(
        self, inputs: Tensor, metas: list[dict], placed: list[dict | None]
    ) -> list[ImageLogits]:
        """Runs the windows of the stock class, in its order."""
        windows = [[] for _ in inputs]
        (height, width), (down, right) = self.test_cfg.crop_size, self.test_cfg.stride
        for rows in window_slices(inputs.shape[2], height, down):
            for columns in window_slices(inputs.shape[3], width, right):
                crop = inputs[:, :, rows, columns]
                features = self.extract_feat(crop)
                if self._predicts_as_base:
                    logits = self.decode_head(features)
                else:
                    # stock sets that of the first image, by which heads resize
                    of_window = [dict(metas[0], img_shape=crop.shape[2:]), *metas[1:]]
                    logits = self.decode_head.predict(features, of_window, self.test_cfg)
                for of_image, kept in zip(logits.detach(), windows, strict=True):
                    kept.append(Window(of_image, rows, columns))
        size = inputs.shape[2:]
        return [
            ImageLogits(kept, Placement.of_sample(metainfo, size, self.align_corners), inputs.dtype)
            for kept, metainfo in zip(windows, placed, strict=True)
        ]


def window_slices(length: int, crop: int, stride: int) -> list[slice]:
    """The windows of slide mode along one side of an image, as MMSegmentation lays them.

    Raises:
        ValueError: The stride leaves gaps.
    """
    if stride > crop:
        raise ValueError(
            f'test_cfg: a stride of {stride} leaves gaps between windows of {crop} pixels; take a '
            'stride of at most crop_size'
        )
    count = max(length - crop + stride - 1, 0) // stride + 1
    stops = [min(number * stride + crop, length) for number in range(count)]
    return [slice(max(stop - crop, 0), stop) for stop in stops]


def _run_by_size(
    run: Callable[[Tensor, SampleList | None], list],
    inputs: Tensor | Sequence[Tensor],
    data_samples: SampleList | None,
) -> list:
    """Runs images of one size together; ``run`` gives a result for each, which keep their order."""
    if isinstance(inputs, Tensor):
        return run(inputs, data_samples)
    by_size: dict[torch.Size, list[int]] = {}
    for index, image in enumerate(inputs):
        by_size.setdefault(image.shape, []).append(index)
    found = [None] * len(inputs)
    for group in by_size.values():
        of_group = data_samples and [data_samples[index] for index in group]
        results = run(torch.stack([inputs[index] for index in group]), of_group)
        for index, result in zip(group, results, strict=True):
            found[index] = result
    return found


def _decoded_size(metainfo: dict) -> Sequence[int]:
    """What ``BaseDecodeHead.predict_by_feat`` resizes to, by the first sample of the batch."""
    shape = metainfo['img_shape']
    if isinstance(shape, torch.Size) or 'pad_shape' not in metainfo:
        return shape[:2]
    return metainfo['pad_shape'][:2]
