"""Inputs of the tests of losses."""

import torch

from mmseg_ext.losses import CrossEntropyLoss, DiceLoss, FocalDiceLoss, FocalLoss

# every loss, by sigmoid and by softmax; the former also tells a single channel
SIGMOID = dict(
    focal=FocalLoss(),
    focal_flat=FocalLoss(gamma=0.5, alpha=None, avg_over_classes=True),
    dice=DiceLoss(),
    dice_naive=DiceLoss(naive_dice=True, per_image=True),
    dice_pooled=DiceLoss(pooled=True, per_image=True),
    ce=CrossEntropyLoss(use_sigmoid=True),
    focal_dice=FocalDiceLoss(),
    focal_dice_plain=FocalDiceLoss(0.7, 1.3, gamma=1, naive_dice=True),
)
SOFTMAX = dict(
    focal_softmax=FocalLoss(use_sigmoid=False),
    focal_softmax_flat=FocalLoss(use_sigmoid=False, gamma=0.5, alpha=None),
    dice_softmax=DiceLoss(use_sigmoid=False),
    dice_softmax_naive=DiceLoss(use_sigmoid=False, naive_dice=True, per_image=True),
    ce_softmax=CrossEntropyLoss(),
    ce_smooth=CrossEntropyLoss(label_smoothing=0.1),
    focal_dice_softmax=FocalDiceLoss(use_sigmoid=False),
)
LOSSES = SIGMOID | SOFTMAX

# sizes of logits and labels: equal, larger by a whole and by a broken factor, smaller, odd, single
SIZES = [
    ((4, 5), (4, 5)),
    ((3, 2), (12, 8)),
    ((4, 5), (13, 9)),
    ((7, 9), (4, 3)),
    ((6, 3), (5, 7)),
    ((1, 1), (3, 4)),
    ((3, 4), (1, 1)),
]


def wave(num_images, num_channels, height, width):
    """Logits in [-5, 5] that are the same with every version of PyTorch, float64."""
    shape = num_images, num_channels, height, width
    steps = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (5 * torch.sin(1 + 1.7 * steps)).view(shape)


def wave_labels(num_images, num_channels, height, width, holes):
    """Labels that mix the classes, with 255 at every fifth pixel if told so."""
    steps = torch.arange(num_images * height * width)
    labels = (steps * steps // 3 + steps) % max(num_channels, 2)
    return labels.masked_fill((steps % 5 == 2) & holes, 255).view(num_images, height, width)


def batch(seed, shape=(2, 3, 4, 5), label_size=None, ignored=0.3, dtype=torch.float64, spread=3):
    """Random logits and labels, the given share of them 255."""
    draw = torch.Generator().manual_seed(seed)
    num_images, num_channels, *size = shape
    logits = torch.randn(shape, generator=draw, dtype=torch.float64) * spread
    labels_shape = num_images, *(label_size or size)
    labels = torch.randint(0, max(num_channels, 2), labels_shape, generator=draw)
    labels[torch.rand(labels_shape, generator=draw) < ignored] = 255
    return logits.to(dtype), labels


def value_and_gradient(loss, logits, *args, scale=1, **settings):
    """What a loss gives for logits, and its gradient times a scale."""
    logits = logits.detach().requires_grad_()
    value = loss(logits, *args, **settings)
    (value * scale).sum().backward()
    return value.detach(), logits.grad


def assert_same(found, wanted, rtol=1e-10):
    """Compares values, and gradients by the norm of their difference."""
    (value, gradient), (want, want_gradient) = found, wanted
    torch.testing.assert_close(value.double(), want.double(), rtol=rtol, atol=rtol * 1e-3)
    off = (gradient.double() - want_gradient.double()).norm()
    assert off <= rtol * want_gradient.double().norm() + 1e-12 * rtol, off
