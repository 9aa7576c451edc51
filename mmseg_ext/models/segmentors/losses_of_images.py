"""The losses of single images, from a pass through the network that served prediction."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import BaseSegmentor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.engine.errors import UsageError

# How heads fail that give less in eval than in training, where their loss needs it.
FAILURES = AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError


def sample_for_loss(
    sample: SegDataSample, input_size: tuple[int, int], ignore_index: int | None
) -> SegDataSample:
    """A sample with the truth of an image as losses take it, int64.

    Args:
        sample: With ``gt_sem_seg``, (1, H, W), integer.
        input_size: Height and width of the network's input.
        ignore_index: Fills the padding; 255 where the head has none.

    Returns:
        A new sample: the label at its own size, or, if the image was padded, at that of the input.
        Other truth, as ``gt_edge_map``, comes along where it has the size of that label.

    Raises:
        ValueError: No ``gt_sem_seg``.
    """
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            f'{sample.get("img_path", "an image")} has no truth, so there is no loss of it; '
            'the pipeline needs LoadAnnotations'
        )
    label = sample.gt_sem_seg.data.long()
    padding = [int(side) for side in sample.get('img_padding_size', sample.get('padding_size', ()))]
    if any(padding):
        left, right, top, bottom = padding
        size = input_size[0] - top - bottom, input_size[1] - left - right
        # nearest does not take int64, and not every device has doubles
        label = F.interpolate(label[None].float(), size, mode='nearest')[0].long()
        label = F.pad(label, padding, value=255 if ignore_index is None else ignore_index)
    made = SegDataSample(metainfo=sample.metainfo, gt_sem_seg=PixelData(data=label))
    for name, truth in sample.items():
        others = name.startswith('gt_') and name not in made and isinstance(truth, PixelData)
        if others and truth.shape == made.gt_sem_seg.shape:
            made.set_data({name: truth})
    return made


def losses_of_image(
    model: BaseSegmentor,
    features: list[Tensor] | tuple[Tensor, ...],
    logits: Tensor | None,
    number: int,
    sample: SegDataSample,
) -> dict[str, Tensor]:
    """The losses of one image of a batch, by all heads, named as in training.

    Args:
        model: An encoder with its heads.
        features: Of the batch, from the backbone or neck, (N, C, h, w) each.
        logits: What the head gave for the batch, (N, C, h, w); None if it is to be asked.
        number: Of the image in the batch.
        sample: From ``sample_for_loss``.

    Raises:
        UsageError: A head gives no loss in eval.
    """
    one = slice(number, number + 1)
    own = [feature[one] for feature in features]
    heads = {'decode': (model.decode_head, None if logits is None else logits[one])}
    if model.with_auxiliary_head:
        auxiliary = model.auxiliary_head
        if isinstance(auxiliary, nn.ModuleList):
            heads.update({f'aux_{index}': (head, None) for index, head in enumerate(auxiliary)})
        else:
            heads['aux'] = auxiliary, None
    return {
        f'{prefix}.{name}': value
        for prefix, (head, made) in heads.items()
        for name, value in _loss(head, own, made, sample, model.train_cfg).items()
    }


def _loss(
    head: nn.Module,
    features: list[Tensor],
    logits: Tensor | None,
    sample: SegDataSample,
    train_cfg: dict,
) -> dict[str, Tensor]:
    with naming_failure(head, sample):
        if logits is not None and type(head).loss is BaseDecodeHead.loss:
            return head.loss_by_feat(logits, [sample])
        return head.loss(features, [sample], train_cfg)


@contextmanager
def naming_failure(head: nn.Module, sample: SegDataSample) -> Iterator[None]:
    """Says of a loss that fails in validation whose it is, and the way out.

    Args:
        head: Whose loss is computed inside.
        sample: Of which image.

    Raises:
        UsageError: It failed as heads do that are made to compute it in training alone.
    """
    try:
        yield
    except FAILURES as error:
        raise UsageError(
            f'{sample.get("img_path", "an image")}: {type(head).__name__} gives no loss in '
            f'validation ({type(error).__name__}: {error}); some heads, as of DDRNet, PIDNet and '
            "K-Net, give it in training alone: set val_cfg.type='ValLoop'"
        ) from error
