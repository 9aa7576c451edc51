"""Labels, checked and prepared for the passes over the logits."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Target:
    """Labels, prepared for reading and writing the logit of each pixel's own class.

    Attributes:
        valid: Pixels that count, (N, H, W), bool.
        positive: Valid pixels whose class has a channel, (N, H, W), bool: all valid ones, except
            with a single channel, which is that of label 1.
        channel: That channel; 0 where there is none, (N, H, W), int64.
        fault: NaN if a label lay outside the classes, else 0, a scalar.
    """

    valid: Tensor
    positive: Tensor
    channel: Tensor
    fault: Tensor

    def sum_by_channel(self, values: Tensor, num_channels: int) -> Tensor:
        """Sums values of positive pixels per image and channel.

        Args:
            values: (N, H, W).
            num_channels: C.

        Returns:
            (N, C), float64: in that type the order in which a GPU adds does not show in float32.
        """
        sums = values.new_zeros(len(values) * num_channels, dtype=torch.float64)
        kept = torch.where(self.positive, values, 0).double()
        sums.index_add_(0, self._places(num_channels).flatten(), kept.flatten())
        return sums.view(len(values), num_channels)

    def spread(self, values: Tensor) -> Tensor:
        """Gives each pixel the value of its image and channel.

        Args:
            values: (N, C).

        Returns:
            (N, H, W).
        """
        return values.flatten()[self._places(values.shape[1])]

    def mark(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Makes losses NaN if a label lay outside the classes."""
        return {name: loss + self.fault for name, loss in losses.items()}

    def _places(self, num_channels: int) -> Tensor:
        images = torch.arange(len(self.channel), device=self.channel.device)
        return images.view(-1, 1, 1) * num_channels + self.channel


def make_target(seg_label: Tensor, num_channels: int, ignore_index: int | None) -> Target:
    """Prepares labels.

    On a CPU a label outside the classes raises. On a GPU, where to look would stall the run and to
    use it as an index would end the process, such pixels are left out and the loss becomes NaN;
    ``LabelRangeHook`` names the file before the labels get there.

    Args:
        seg_label: Classes in [0, C) or ``ignore_index``, (N, H, W), integer. With a single channel
            0 and 1 are the classes.
        num_channels: Channels C of the logits.
        ignore_index: Label of pixels that take no part; None: there are none.

    Raises:
        ValueError: A label outside the classes, on a CPU.
    """
    target = tolerant_target(seg_label, num_channels, ignore_index)
    if seg_label.device.type == 'cpu' and target.fault.isnan():
        num_classes = max(num_channels, 2)
        outside = _outside(seg_label.long(), num_classes, ignore_index)
        raise ValueError(
            f'label {int(seg_label[outside][0])}: the network has {num_classes} classes, so 0 to '
            f'{num_classes - 1} and ignore_index={ignore_index} are allowed'
        )
    return target


def tolerant_target(seg_label: Tensor, num_channels: int, ignore_index: int | None) -> Target:
    """``make_target`` as on a GPU: pixels of a label outside the classes are left out."""
    # as a small integer 300 classes or ignore_index=-100 would wrap around
    label = seg_label.long()
    outside = _outside(label, max(num_channels, 2), ignore_index)
    valid = ~outside if ignore_index is None else ~outside & (label != ignore_index)
    positive = valid & (label == 1) if num_channels == 1 else valid
    channel = torch.where(valid, label, 0) if num_channels > 1 else torch.zeros_like(label)
    fault = torch.where(outside.any(), torch.nan, 0.0)
    return Target(valid, positive, channel, fault)


def _outside(label: Tensor, num_classes: int, ignore_index: int | None) -> Tensor:
    outside = (label < 0) | (label >= num_classes)
    return outside if ignore_index is None else outside & (label != ignore_index)


def check_shapes(seg_logits: Tensor, seg_label: Tensor, align_corners: bool | None) -> None:
    """Raises ``ValueError`` unless logits are (N, C, h, w) floats and labels (N, H, W) integers.

    Args:
        seg_logits: The logits.
        seg_label: The labels.
        align_corners: None: the sizes have to be the same, as nobody said how to upsample.
    """
    logits, label = tuple(seg_logits.shape), tuple(seg_label.shape)
    if seg_logits.ndim != 4 or not seg_logits.is_floating_point():
        raise ValueError(f'logits are (N, C, h, w), floating; got {logits}, {seg_logits.dtype}')
    if seg_label.ndim != 3 or seg_label.is_floating_point() or seg_label.is_complex():
        raise ValueError(f'labels are (N, H, W), integer; got {label}, {seg_label.dtype}')
    if 0 in logits + label:
        raise ValueError(f'logits {logits} or labels {label} hold nothing')
    if logits[0] != label[0]:
        raise ValueError(f'{logits[0]} images of logits and {label[0]} of labels')
    if align_corners is None and logits[2:] != label[1:]:
        raise ValueError(
            f'logits of {logits[2]}x{logits[3]} and labels of {label[1]}x{label[2]}: upsample them '
            'first, pass align_corners, or use a head of mmseg_ext, which does'
        )


def check_weight(weight: Tensor | None, seg_label: Tensor) -> None:
    """Raises ``ValueError`` unless the weight is one number a pixel, or None."""
    if weight is not None and weight.shape != seg_label.shape:
        raise ValueError(
            f'weight is one number a pixel, {tuple(seg_label.shape)}; got {tuple(weight.shape)}'
        )
