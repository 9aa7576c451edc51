"""The way of predictions from the network's input to the image's own size."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmseg.models.utils import resize
from torch import Tensor


@dataclass(frozen=True)
class Placement:
    """How labels get from the network's input to the image: what ``postprocess_result`` does.

    Attributes:
        padded_size: Height and width of the network's input, padding included.
        rows: Those of the image, without padding.
        columns: Likewise.
        flip: 'horizontal', 'vertical' or None: how the image was flipped.
        out_size: Height and width of the labels.
        align_corners: As in ``F.interpolate``, of every resize.
    """

    padded_size: tuple[int, int]
    rows: slice
    columns: slice
    flip: str | None
    out_size: tuple[int, int]
    align_corners: bool

    @classmethod
    def of_sample(
        cls, metainfo: dict | None, padded_size: Sequence[int], align_corners: bool
    ) -> 'Placement':
        """Reads the metainfo of a sample; without one, labels are as large as the input.

        Raises:
            ValueError: A flip that is neither horizontal nor vertical.
        """
        height, width = (int(side) for side in padded_size)
        if metainfo is None:
            metainfo = dict(ori_shape=(height, width))
        left, right, top, bottom = metainfo.get(
            'img_padding_size', metainfo.get('padding_size', (0, 0, 0, 0))
        )
        flip = metainfo.get('flip_direction') if metainfo.get('flip') else None
        if metainfo.get('flip') and flip not in ('horizontal', 'vertical'):
            raise ValueError(
                f'flip_direction={flip!r}: labels can be flipped back that were flipped '
                'horizontally or vertically'
            )
        return cls(
            (height, width),
            slice(int(top), height - int(bottom)),
            slice(int(left), width - int(right)),
            flip,
            tuple(int(side) for side in metainfo['ori_shape'][:2]),
            align_corners,
        )

    def place(self, padded: Tensor, resize_always: bool) -> Tensor:
        """Takes values of the padded input, (1, C, H', W'), to the size of the labels, (C, H, W).

        Args:
            padded: The values.
            resize_always: Resize although the size is right already: that changes nothing but that
                infinities make their neighbours nan.
        """
        kept = padded[:, :, self.rows, self.columns]
        if self.flip:
            kept = kept.flip(3 if self.flip == 'horizontal' else 2)
        return resized(kept, self.out_size, self.align_corners, resize_always)[0]


def resized(logits: Tensor, size: tuple[int, int], align_corners: bool, always: bool) -> Tensor:
    """``mmseg.models.utils.resize`` of (N, C, h, w); nothing if the size is right already."""
    if tuple(logits.shape[2:]) == tuple(size) and not always:
        return logits
    return resize(logits, size, None, 'bilinear', align_corners, warning=False)
