"""CutMix: a box of each image, and of its label, from another image."""

import numpy as np
from torch import Tensor

from mmseg_ext.registry import TRANSFORMS

from .batch_transform import BatchTransform, MixedBatch, check_alpha


@TRANSFORMS.register_module()
class CutMix(BatchTransform):
    """Pastes a box of its partner into each image and its label (Yun et al., ICCV 2019).

    As in algorithm A1 of the paper (arXiv 1905.04899), but with a box of its own for every image:
    lambda ~ Beta(alpha, alpha), the box has sqrt(1 - lambda) of the height and of the width, its
    centre is anywhere in the image, and what lies outside is cut off. Labels stay hard; ignored
    pixels are pasted as any others, those of the partner's padding too.

    Added metainfo: ``cutmix_ratio``, the share of the pixels that are the image's own; not less
    than lambda, because the box may be cut off.

    Args:
        prob: Share of the batches to augment, in (0, 1].
        alpha: Parameter of the beta distribution, above 0; 1 is uniform, the paper's.

    Raises:
        ValueError: A setting is out of range.
    """

    def __init__(self, prob: float = 0.5, alpha: float = 1.0) -> None:
        super().__init__(prob)
        self.alpha = check_alpha(self, alpha)

    def mix(
        self, inputs: Tensor, seg_label: Tensor, shift: int, rng: np.random.Generator
    ) -> MixedBatch:
        """Pastes into each image a box of the one ``shift`` places before it."""
        mixed, label, metainfo = inputs.clone(), seg_label.clone(), []
        height, width = inputs.shape[-2:]
        for index in range(len(inputs)):
            side = np.sqrt(1 - rng.beta(self.alpha, self.alpha))
            top, bottom = _draw_interval(height, side, rng)
            left, right = _draw_interval(width, side, rng)
            box = (..., slice(top, bottom), slice(left, right))
            mixed[index][box] = inputs[index - shift][box]
            label[index][box] = seg_label[index - shift][box]
            pasted = (bottom - top) * (right - left) / (height * width)
            metainfo.append(dict(cutmix_ratio=1 - pasted))
        return MixedBatch(mixed, label, metainfo=metainfo)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, alpha={self.alpha})'


def _draw_interval(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Begin and end of an interval of ``share * length`` around a random place, cut at the ends."""
    size = int(length * share)
    first = int(rng.integers(length)) - size // 2
    return max(first, 0), min(first + size, length)
