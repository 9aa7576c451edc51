"""Resizes to sides that the network's strides divide."""

from collections.abc import Sequence
from numbers import Integral

import mmcv
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import Resize

from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AlignedResize(BaseTransform):
    """MMSegmentation's Resize(keep_ratio=True) with each side rounded up to a multiple.

    Where the strides of a network do not divide the image, the last row and column of its feature
    maps reach over the border, and all maps are a little stretched against each other and against
    the image when they are resized. A multiple of the largest stride needs no padding, and maps and
    logits cover the image exactly. It is for testing; labels are loaded after it, at their own
    size, to which predictions are resized.

    SegFormer's official code evaluates ADE20K this way (AlignedResize in its pipelines).
    MMSegmentation's README has the same checkpoints with Resize and aligned: SegFormer-B0 37.41 and
    38.10 mIoU, B2 45.58 and 46.53, B5 at 640 49.62 and 50.58. Both resize twice, to the ratio and
    then to the multiple (Resize and ResizeToMultiple); here it is one resize to the same size,
    which blurs less, and ``scale_factor`` is that of the result.

    Required Keys:

    - img, (H, W) or (H, W, C)
    - the maps in seg_fields (optional), (H, W)

    Modified Keys:

    - img, by ``interpolation``
    - img_shape
    - the maps in seg_fields, by the nearest pixel

    Added Keys:

    - scale, the new (width, height)
    - scale_factor, of (width, height)
    - keep_ratio, True

    Args:
        scale: (long side, short side) in pixels that the image is fitted into before rounding, or
            one number for both.
        scale_factor: Factor on the size, or of (width, height), in place of ``scale``.
        size_divisor: Both sides become multiples of it: the network's largest stride.
        keep_ratio: True; there for configs in which this replaces Resize.
        backend: 'cv2' or 'pillow'.
        interpolation: Of the image.

    Raises:
        ValueError: A setting out of range, both or none of ``scale`` and ``scale_factor``, or
            ``keep_ratio=False``.
    """

    def __init__(
        self,
        scale: int | tuple[int, int] | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        size_divisor: int = 32,
        keep_ratio: bool = True,
        backend: str = 'cv2',
        interpolation: str = 'bilinear',
    ) -> None:
        if (scale is None) == (scale_factor is None):
            raise ValueError(
                f'give scale or scale_factor, got scale={scale}, scale_factor={scale_factor}'
            )
        if not keep_ratio:
            raise ValueError('keep_ratio=False: use Resize, with a scale that is a multiple')
        if not isinstance(size_divisor, Integral) or size_divisor < 2:
            raise ValueError(f'size_divisor is a whole number from 2, got {size_divisor}')
        self.scale = _pair('scale', scale)
        self.scale_factor = _pair('scale_factor', scale_factor)
        self.size_divisor = size_divisor
        self.keep_ratio = keep_ratio
        self.backend, self.interpolation = backend, interpolation

    def transform(self, results: dict) -> dict:
        """Resizes a sample."""
        height, width = results['img'].shape[:2]
        scale = self.scale
        if scale is None:
            # as Resize rounds it
            scale = tuple(
                int(side * factor + 0.5)
                for side, factor in zip((width, height), self.scale_factor, strict=True)
            )
        size = mmcv.rescale_size((width, height), scale)
        # negated, the floor division rounds up
        aligned = tuple(-(-side // self.size_divisor) * self.size_divisor for side in size)
        resize = Resize(scale=aligned, backend=self.backend, interpolation=self.interpolation)
        results = resize(results)
        results['keep_ratio'] = True
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, scale_factor={self.scale_factor}, '
            f'size_divisor={self.size_divisor}, keep_ratio={self.keep_ratio}, '
            f'backend={self.backend!r}, interpolation={self.interpolation!r})'
        )


def _pair(name: str, value: float | Sequence[float] | None) -> tuple[float, float] | None:
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(side > 0 for side in pair):
        raise ValueError(f'{name} is one or two numbers above 0, got {value}')
    return pair
