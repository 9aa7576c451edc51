"""Photometric distortion of a batch in PyTorch, on any device."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .colour import Distortion


def distort_batch(images: Tensor, distortions: Sequence[Distortion | None]) -> Tensor:
    """Distorts each image of a batch by its own draw, as PhotoMetricDistortion does on a CPU.

    HSV is OpenCV's for 8 bits, in whole numbers: hue 0 to 179, saturation and value 0 to 255. A GPU
    is never waited for: which images a step changes is known before the batch is there.

    Args:
        images: (N, 3, H, W), float, whole numbers from 0 to 255; channel 0 is taken for blue.
        distortions: What to do to each image; None leaves it as it is.

    Returns:
        The same shape, whole numbers from 0 to 255.

    Raises:
        ValueError: Images with another number of channels, or another number of distortions.
    """
    if images.ndim != 4 or images.size(1) != 3:
        raise ValueError(f'colours need images of (N, 3, H, W), got {tuple(images.shape)}')
    if len(distortions) != len(images):
        raise ValueError(f'{len(distortions)} distortions for {len(images)} images')
    draws = [draw or Distortion() for draw in distortions]
    images = images.clone()
    _change(images, [draw.brightness for draw in draws], _add)
    _change(images, [draw.contrast if draw.contrast_first else None for draw in draws], _scale)
    _change(images, [draw.saturation for draw in draws], _saturate)
    _change(images, [draw.hue for draw in draws], _turn)
    _change(images, [None if draw.contrast_first else draw.contrast for draw in draws], _scale)
    return images


def _change(
    images: Tensor, amounts: Sequence[float | None], step: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Changes the images that have an amount, in place."""
    rows = [row for row, amount in enumerate(amounts) if amount is not None]
    if not rows:
        return
    # a copy that blocks would wait for everything before it on the GPU
    index = torch.tensor(rows).to(images.device, non_blocking=True)
    amount = torch.tensor([amounts[row] for row in rows], dtype=images.dtype)
    amount = amount.to(images.device, non_blocking=True).view(-1, 1, 1, 1)
    images.index_copy_(0, index, step(images.index_select(0, index), amount))


def _add(images: Tensor, amount: Tensor) -> Tensor:
    return _whole(images.add_(amount))


def _scale(images: Tensor, amount: Tensor) -> Tensor:
    return _whole(images.mul_(amount))


def _saturate(images: Tensor, amount: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(images)
    return _to_bgr(hue, _whole(saturation * amount), value)


def _turn(images: Tensor, amount: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(images)
    return _to_bgr((hue + amount).remainder_(180), saturation, value)


def _whole(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).floor_()


def _to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """BGR to OpenCV's 8-bit HSV, (N, 1, H, W) each.

    OpenCV divides by tables in fixed point with 12 binary places (``RGB2HSV_b``); their entries,
    and the products with them, are exact in float32.
    """
    blue, green, red = images.split(1, 1)
    value = images.amax(1, keepdim=True)
    spread = value - images.amin(1, keepdim=True)
    saturation = _fixed_point(spread, (255 * 4096 / value.clamp(min=1)).round_())
    hue = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = _fixed_point(hue, (30 * 4096 / spread.clamp(min=1)).round_())
    return hue.remainder_(180), saturation, value


def _fixed_point(values: Tensor, factors: Tensor) -> Tensor:
    return factors.mul_(values).add_(2048).div_(4096).floor_()


def _to_bgr(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """OpenCV's 8-bit HSV to BGR, (N, 3, H, W), cut to whole numbers.

    OpenCV cuts in its vector code too; the last few pixels of a row it rounds (``HSV2RGB_b``).
    """
    # a channel is full within 60 degrees of its own hue, and falls to its least over the next 60
    start = torch.tensor([1.0, 3.0, 5.0], dtype=hue.dtype).view(1, 3, 1, 1)
    place = (hue / 30 + start.to(hue.device, non_blocking=True)).remainder_(6)
    share = torch.minimum(place, 4 - place).clamp_(0, 1)
    return share.mul_(saturation / 255).neg_().add_(1).mul_(value).floor_()
