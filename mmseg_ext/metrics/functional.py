"""Counts of pixels and the scores made of them, as functions of tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK_PIXELS = 2**16  # counted at once on a CPU: they stay in its cache


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
    size = BLOCK_PIXELS if label.device.type == 'cpu' else max(label.numel(), 1)
    blocks = zip(pred_label.flatten().split(size), label.flatten().split(size), strict=True)
    return sum(_count_pairs(*block, num_classes, ignore_index) for block in blocks)


def _count_pairs(pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    # ignored pixels are counted as (0, 0) and taken off again: to pick the others costs four times
    # as much as all the rest
    valid = label != ignore_index
    true, predicted = label.int() * valid, pred_label.int() * valid
    if label.numel() and (
        max(true.max(), predicted.max()) >= num_classes or min(true.min(), predicted.min()) < 0
    ):
        raise ValueError(
            f'labels up to {int(true.max())} and predictions up to {int(predicted.max())} '
            f'for {num_classes} classes, from {int(min(true.min(), predicted.min()))} on'
        )
    counts = torch.bincount(true * num_classes + predicted, minlength=num_classes**2)
    counts[0] -= valid.numel() - valid.sum()
    return counts.view(num_classes, num_classes)


def class_scores(confusion: Tensor, beta: float = 1) -> dict[str, Tensor]:
    """Scores each class, by MMSegmentation's formulas.

    With the pixels of a class that are right, R, that have it in the truth, T, and that have it in
    the prediction, P: ``IoU`` is R / (T + P - R), ``Acc`` and ``Recall`` R / T, ``Precision``
    R / P, ``Dice`` 2 R / (T + P), ``Fscore`` (1 + b^2) Precision Recall / (b^2 Precision + Recall).

    Args:
        confusion: (C, C), rows are true, columns predicted classes.
        beta: Weight of the recall in ``Fscore``.

    Returns:
        By those names: (C,), float64, shares in [0, 1]; nan for 0 / 0. A class that is never
        predicted right has, as in MMSegmentation, no ``Fscore``.
    """
    confusion = confusion.double()
    right, predicted, true = confusion.diag(), confusion.sum(0), confusion.sum(1)
    precision, recall = right / predicted, right / true
    return dict(
        IoU=right / (true + predicted - right),
        Acc=recall,
        Dice=2 * right / (true + predicted),
        Fscore=(1 + beta**2) * precision * recall / (beta**2 * precision + recall),
        Precision=precision,
        Recall=recall,
    )


def mean_scores(
    confusion: Tensor, beta: float = 1, chosen: Sequence[int] | None = None
) -> dict[str, float]:
    """Averages the scores over the classes that have one.

    Args:
        confusion: (C, C), rows are true, columns predicted classes.
        beta: Weight of the recall in ``mFscore``.
        chosen: Classes to average over, all unless given; ``aAcc`` and ``fwIoU`` then count the
            pixels that have one of them in the truth.

    Returns:
        In percent ``aAcc``, the mean of each of ``class_scores`` (``mIoU``, ...) and ``fwIoU``, the
        mean IoU weighted by each class's share of the true pixels (Long, Shelhamer and Darrell,
        2015); and how many classes occur in truth or prediction, ``classes_present``, and how many
        in neither, ``classes_absent``.
    """
    rows = torch.arange(len(confusion)) if chosen is None else torch.tensor(chosen)
    rows = rows.to(confusion.device)
    scores = {name: share[rows] for name, share in class_scores(confusion, beta).items()}
    true, right = confusion.sum(1)[rows].double(), confusion.diag()[rows].double()
    weighted = (true * scores['IoU'].nan_to_num()).sum() / true.sum()
    absent = int(scores['IoU'].isnan().sum())
    means = {f'm{name}': 100 * float(share.nanmean()) for name, share in scores.items()}
    return dict(
        aAcc=100 * float(right.sum() / true.sum()),
        **means,
        fwIoU=100 * float(weighted),
        classes_present=len(rows) - absent,
        classes_absent=absent,
    )
