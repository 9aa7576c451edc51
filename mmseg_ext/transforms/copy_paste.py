"""CopyPaste: the pixels of chosen classes, from another image."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.registry import TRANSFORMS

from .batch_transform import BatchTransform, MixedBatch


@TRANSFORMS.register_module()
class CopyPaste(BatchTransform):
    """Pastes all pixels of the chosen classes from its partner into each image, labels too.

    What Ghiasi et al. (CVPR 2021, arXiv 2012.07177) do with instances, done with classes, as Olsson
    et al. do in ClassMix (WACV 2021, arXiv 2007.07936). Pixels stay where they are in the partner.
    For classes that are rare, or that need new backgrounds.

    Args:
        prob: Share of the batches to augment, in (0, 1].
        classes: Labels to paste, as the network learns them.
        min_pixels: A partner with fewer pixels of these classes gives none.

    Raises:
        ValueError: A setting is out of range, or a class is named twice.
    """

    def __init__(self, prob: float = 0.5, *, classes: Sequence[int], min_pixels: int = 1) -> None:
        super().__init__(prob)
        labels = list(classes) if np.iterable(classes) else []
        whole = all(isinstance(label, Integral) and label >= 0 for label in labels)
        if not labels or not whole or len(set(labels)) < len(labels):
            raise ValueError(f'CopyPaste: classes={classes} should be labels from 0 on, each once')
        if min_pixels < 1:
            raise ValueError(f'CopyPaste: min_pixels={min_pixels} is less than 1')
        self.classes, self.min_pixels = [int(label) for label in labels], min_pixels

    def mix(
        self, inputs: Tensor, seg_label: Tensor, shift: int, rng: np.random.Generator
    ) -> MixedBatch:
        """Pastes into each image pixels of the one ``shift`` places before it."""
        partner_label = seg_label.roll(shift, 0)
        # one look-up for all classes: a last entry for labels above them, and negative ones
        table = torch.zeros(max(self.classes) + 2, dtype=torch.bool)
        table[self.classes] = True
        table = table.to(seg_label.device, non_blocking=True)
        above = len(table) - 1
        chosen = table[partner_label.where(partner_label >= 0, above).clamp(max=above)]
        enough = chosen.flatten(1).sum(1) >= self.min_pixels
        chosen &= enough.view(-1, *[1] * (chosen.ndim - 1))
        pasted = chosen.view(len(inputs), 1, *inputs.shape[-2:])
        return MixedBatch(
            torch.where(pasted, inputs.roll(shift, 0), inputs),
            torch.where(chosen, partner_label, seg_label),
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, classes={self.classes}, '
            f'min_pixels={self.min_pixels})'
        )
