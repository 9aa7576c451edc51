"""What augmentations have in common that mix the images of a batch."""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from mmseg_ext.engine.errors import UsageError

from .checks import check_prob


@dataclass(frozen=True)
class MixedBatch:
    """A batch whose images were mixed with each other.

    Attributes:
        inputs: (N, C, H, W).
        seg_label: The labels, of the shape that they came in.
        partner_label: Second labels of the same pixels, where images were blended.
        metainfo: What each sample should say about it; empty or N dicts.
    """

    inputs: Tensor
    seg_label: Tensor
    partner_label: Tensor | None = None
    metainfo: list[dict] = field(default_factory=list)


class BatchTransform(metaclass=ABCMeta):
    """An augmentation in ``batch_augments`` of ``mmseg_ext.SegDataPreProcessor``.

    The partner of an image is another one of the same batch: the batch is rolled by a random number
    of places, so no image is its own partner. All random numbers come from the generator of the
    batch; a GPU is never waited for.

    Args:
        prob: Share of the batches to augment, in (0, 1].

    Raises:
        ValueError: ``prob`` is out of range.
    """

    def __init__(self, prob: float) -> None:
        self.prob = check_prob(prob)

    def __call__(
        self,
        inputs: Tensor,
        seg_label: Tensor | None = None,
        rng: np.random.Generator | None = None,
    ) -> MixedBatch:
        """Mixes a batch, or leaves it as it is.

        Args:
            inputs: Images of one size, (N, C, H, W), float, at least two; not changed.
            seg_label: Their labels, (N, H, W) or (N, 1, H, W), integer; not changed.
            rng: Where the random numbers come from.

        Raises:
            ValueError: There is only one image.
            UsageError: It got a sample, from a pipeline.
        """
        if isinstance(inputs, dict):
            raise UsageError(where_it_belongs(type(self), vars(self)))
        if len(inputs) < 2:
            raise ValueError(f'{type(self).__name__} needs a batch of two images or more')
        if rng.random() >= self.prob:
            return MixedBatch(inputs, seg_label)
        return self.mix(inputs, seg_label, int(rng.integers(1, len(inputs))), rng)

    @abstractmethod
    def mix(
        self, inputs: Tensor, seg_label: Tensor, shift: int, rng: np.random.Generator
    ) -> MixedBatch:
        """Mixes each image with its partner, the one ``shift`` places before it, cyclically."""


def where_it_belongs(kind: type[BatchTransform], settings: Mapping) -> str:
    """What to write for a batch augmentation that is in a pipeline.

    Args:
        kind: Its class.
        settings: Its settings, with or without ``type``.
    """
    written = dict(type=f'mmseg_ext.{kind.__name__}')
    written |= {key: value for key, value in settings.items() if key != 'type'}
    step = ', '.join(f'{key}={value!r}' for key, value in written.items())
    return (
        f'{kind.__name__} mixes the images of a batch, and a pipeline has one sample at a time; '
        "take it out and set model.data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor', "
        f'batch_augments=[dict({step})])'
    )


def check_alpha(owner: object, alpha: float) -> float:
    """Returns the parameter of a symmetric beta distribution; ValueError if it is not above 0."""
    if not 0 < alpha < float('inf'):
        raise ValueError(f'{type(owner).__name__}: alpha={alpha} is not above 0')
    return alpha
