"""Counts of pixels and the scores made of them, as functions of tensors."""

import torch
from torch import Tensor


def confusion_matrix(
    pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """Counts pixels by true and predicted class.

    Args:
        pred_label: Predicted classes, (H, W), integer.
        label: True classes or ``ignore_index``, (H, W), integer, on the same device.
        num_classes: Number of classes C.
        ignore_index: Label of pixels that do not count.

    Returns:
        (C, C), int64, on the device of the labels: rows are true, columns predicted classes.

    Raises:
        ValueError: The two differ in size, or a label lies outside the classes.
    """
    if pred_label.shape != label.shape:
        raise ValueError(
            f'the prediction has size {tuple(pred_label.shape)}, the truth {tuple(label.shape)}'
        )
    valid = label != ignore_index
    pred_label, label = pred_label[valid].long(), label[valid].long()
    if label.numel() and max(label.max(), pred_label.max()) >= num_classes:
        raise ValueError(
            f'labels up to {int(label.max())} and predictions up to {int(pred_label.max())} '
            f'for {num_classes} classes'
        )
    pairs = torch.bincount(label * num_classes + pred_label, minlength=num_classes**2)
    return pairs.view(num_classes, num_classes)
