"""The losses as formulas of full-size probabilities, for all classes and pixels at once.

Settings are named as those of the losses. Logits are float64, (N, C, H, W); labels have their size.
"""

import torch
import torch.nn.functional as F


def upsampled(formula, align_corners):
    """A formula of logits that are upsampled to the size of the labels first."""

    def wrapped(logits, labels, **settings):
        size = labels.shape[1:]
        return formula(
            F.interpolate(logits, size, mode='bilinear', align_corners=align_corners),
            labels,
            **settings,
        )

    return wrapped


def focal(
    logits,
    labels,
    use_sigmoid=True,
    gamma=2.0,
    alpha=0.5,
    class_weight=None,
    avg_non_ignore=True,
    avg_over_classes=False,
    weight=None,
):
    truth, valid = one_hot(logits, labels)
    num_classes = logits.shape[1]
    alpha = None if alpha is None else per_class(alpha, num_classes)
    own, other = (1, 1) if alpha is None else (alpha, 1 - alpha)
    minus_log_p, p = minus_log(logits, use_sigmoid), probabilities(logits, use_sigmoid)
    # the root of 0 has no gradient, and that of nearly 0 is multiplied with less
    p, q = p.clamp(min=1e-300), (1 - p).clamp(min=1e-300)
    losses = own * q**gamma * minus_log_p * truth
    if use_sigmoid:
        losses = losses + other * p**gamma * minus_log(-logits, True) * (1 - truth) * valid
    if class_weight is not None:
        losses = losses * per_class(class_weight, num_classes)
    pixels = valid.sum() if avg_non_ignore else valid.numel()
    return weighted(losses.sum(1), weight).sum() / pixels / (num_classes if avg_over_classes else 1)


def cross_entropy(
    logits,
    labels,
    use_sigmoid=False,
    class_weight=None,
    avg_non_ignore=True,
    label_smoothing=0.0,
    weight=None,
):
    truth, valid = one_hot(logits, labels)
    num_classes = logits.shape[1]
    factors = per_class(1.0 if class_weight is None else class_weight, num_classes)
    if use_sigmoid:
        losses = factors * truth * minus_log(logits, True)
        losses = losses + (1 - truth) * valid * minus_log(-logits, True)
        divisor = num_classes * (valid.sum() if avg_non_ignore else valid.numel())
    else:
        soft = (1 - label_smoothing) * truth + label_smoothing / num_classes * valid
        losses = factors * soft * minus_log(logits, False)
        divisor = (factors * truth).sum()
        if not avg_non_ignore:
            divisor = divisor + (1 - valid).sum()
    return weighted(losses.sum(1), weight).sum() / divisor


def dice(
    logits,
    labels,
    use_sigmoid=True,
    naive_dice=False,
    per_image=False,
    pooled=False,
    count_ignored=False,
    eps=1e-3,
    weight=None,
):
    truth, valid = one_hot(logits, labels)
    p = probabilities(logits, use_sigmoid)
    if not count_ignored:
        p = p * valid
    factor = torch.ones_like(valid) if weight is None else weight.unsqueeze(1)
    sizes = factor * (p if naive_dice else p**2)
    sums = torch.stack([factor * p * truth, sizes, factor * truth]).sum((3, 4))
    if pooled:
        sums = sums.sum(2, keepdim=True)
    if not per_image:
        sums = sums.sum(1, keepdim=True)
    overlap, size, area = sums
    if naive_dice:
        losses = 1 - (2 * overlap + eps) / (size + area + eps)
    else:
        losses = 1 - 2 * overlap / (size + eps + area + eps)
    return losses.mean() if count_ignored and pooled else losses[area > 0].mean()


def one_hot(logits, labels):
    """The truth of each class, (N, C, H, W), and which pixels count, (N, 1, H, W)."""
    num_channels = logits.shape[1]
    classes = torch.arange(num_channels) if num_channels > 1 else torch.ones(1)
    truth = labels.unsqueeze(1) == classes.view(1, -1, 1, 1)
    return truth.double(), (labels != 255).unsqueeze(1).double()


def probabilities(logits, use_sigmoid):
    return logits.sigmoid() if use_sigmoid else logits.softmax(1)


def minus_log(logits, use_sigmoid):
    return -F.logsigmoid(logits) if use_sigmoid else -logits.log_softmax(1)


def per_class(values, num_classes):
    return torch.as_tensor(values, dtype=torch.float64).expand(num_classes).view(1, -1, 1, 1)


def weighted(losses, weight):
    return losses if weight is None else losses * weight
