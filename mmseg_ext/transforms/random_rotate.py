"""Rotates image and labels."""

from collections.abc import Sequence

from mmseg.datasets.transforms import RandomRotate as _RandomRotate

from mmseg_ext.registry import TRANSFORMS

from .checks import check_image, check_prob, check_range


@TRANSFORMS.register_module()
class RandomRotate(_RandomRotate):
    """MMSegmentation's RandomRotate with a border of any grey; the same pixels under the same seed.

    What differs: a number as ``pad_val`` fills all channels, where the stock one fills the first
    alone and makes blue of 128; ``img_shape`` follows the image that ``auto_bound`` makes larger;
    settings without effect are refused.

    Image and labels are turned by the same angle, the image bilinear, labels by the nearest pixel.

    Required Keys:

    - img, uint8, (H, W), or (H, W, C) of 1, 3 or 4 channels
    - the maps in seg_fields (optional), (H, W)

    Modified Keys:

    - img
    - img_shape
    - the maps in seg_fields

    Args:
        prob: Probability that a sample is turned.
        degree: x draws the angle from [-x, x]; or the range of the angle; in degrees, positive
            clockwise, -360 to 360.
        pad_val: Fills what the image leaves open, in pixel units, 0 to 255, before normalisation: a
            number for all channels, or (B, G, R).
        seg_pad_val: Fills it in the labels.
        center: Point to turn about, (x, y) in pixels; None is the middle.
        auto_bound: Make the picture large enough to hold all of the turned image.

    Raises:
        ValueError: A setting out of range; ``center`` with ``auto_bound``.
        UsageError: From the call: an image of another type or number of channels.
    """

    def __init__(
        self,
        prob: float,
        degree: float | tuple[float, float],
        pad_val: float | Sequence[float] = 0,
        seg_pad_val: int = 255,
        center: tuple[float, float] | None = None,
        auto_bound: bool = False,
    ) -> None:
        pair = degree if isinstance(degree, Sequence) else (-degree, degree)
        degree = check_range('degree', pair, -360, 360)
        values = tuple(pad_val) if isinstance(pad_val, Sequence) else (pad_val,) * 4
        if degree == (0, 0):
            raise ValueError('degree=0 has no effect')
        if len(values) not in (3, 4) or not all(0 <= value <= 255 for value in values):
            raise ValueError(f'pad_val is a number or (B, G, R), 0 to 255, got {pad_val}')
        if seg_pad_val not in range(256):
            raise ValueError(f'seg_pad_val is a label from 0 to 255, got {seg_pad_val}')
        if center is not None and auto_bound:
            raise ValueError(f'center={center} has no effect with auto_bound=True')
        self.pad_val = pad_val
        center = center and tuple(center)
        super().__init__(check_prob(prob), degree, values, seg_pad_val, center, auto_bound)

    def transform(self, results: dict) -> dict:
        """Rotates a sample."""
        shape = check_image(results, type(self).__name__, (1, 3, 4)).shape
        results = super().transform(results)
        results['img_shape'] = results['img'].shape[:2]
        # OpenCV drops a last dimension of 1
        results['img'] = results['img'].reshape(*results['img_shape'], *shape[2:])
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, degree={self.degree}, '
            f'pad_val={self.pad_val}, seg_pad_val={self.seg_pad_val}, center={self.center}, '
            f'auto_bound={self.auto_bound})'
        )
