"""MixUp: blended images, both labels."""

import numpy as np
from torch import Tensor

from mmseg_ext.registry import TRANSFORMS

from .batch_transform import BatchTransform, MixedBatch, check_alpha


@TRANSFORMS.register_module()
class MixUp(BatchTransform):
    """Blends each image with its partner (Zhang et al., ICLR 2018, arXiv 1710.09412).

    ``lambda * image + (1 - lambda) * partner``, with one lambda ~ Beta(alpha, alpha) a batch. Every
    pixel keeps two hard labels, and heads of mmseg_ext take lambda times the loss of its own plus
    1 - lambda times the loss of its partner's; without ignored pixels that is the cross-entropy of
    soft labels. Where one of the two is ignored, the other still counts. It must be the last of
    ``batch_augments``.

    A head of MMSegmentation's own would ignore the second label, without a word. ``preflight``,
    which ``mmseg_ext.Runner`` calls, refuses such a config; under another Runner nothing does.

    Added metainfo: ``mixup_ratio``, lambda. Added data: ``gt_sem_seg_partner``.

    Args:
        prob: Share of the batches to blend, in (0, 1].
        alpha: Parameter of the beta distribution, above 0. The paper takes 0.1 to 0.4 for ImageNet;
            1 is uniform.

    Raises:
        ValueError: A setting is out of range.
    """

    def __init__(self, prob: float = 0.5, alpha: float = 0.2) -> None:
        super().__init__(prob)
        self.alpha = check_alpha(self, alpha)

    def mix(
        self, inputs: Tensor, seg_label: Tensor, shift: int, rng: np.random.Generator
    ) -> MixedBatch:
        """Blends each image with the one ``shift`` places before it."""
        ratio = float(rng.beta(self.alpha, self.alpha))
        return MixedBatch(
            inputs.lerp(inputs.roll(shift, 0), 1 - ratio),
            seg_label,
            seg_label.roll(shift, 0),
            [dict(mixup_ratio=ratio) for _ in inputs],
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, alpha={self.alpha})'
