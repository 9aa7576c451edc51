"""Numbers that other libraries gave for the inputs of ``wave``, in float64.

Made with torch 2.13.0 and torchvision 0.29.2 (sigmoid_focal_loss), segmentation_models.pytorch
0.6.0 (DiceLoss, FocalLoss) and MONAI 1.6.1 (DiceLoss, FocalLoss, DiceFocalLoss). Each row is the
loss, the sum of the gradient times cos(0), cos(1), ..., and the gradient's norm.

Left out is what is defined otherwise: segmentation_models.pytorch's dice counts a class that does
not occur as 0, MONAI's as nearly 1, and MONAI's DiceFocalLoss has a sigmoid focal term beside a
softmax dice.
"""

import pytest
import torch
from loss_inputs import value_and_gradient, wave, wave_labels

from mmseg_ext.losses import DiceLoss, FocalDiceLoss, FocalLoss

TORCHVISION = [
    # reduction='sum' of a one-hot target; its alpha=-1 is None here
    (dict(alpha=0.25, gamma=2), 3, (73.071340298, 0.126374301, 4.049361463)),
    (dict(alpha=0.5, gamma=0), 3, (71.805119896, -0.634500942, 2.977534840)),
    (dict(alpha=None, gamma=1), 3, (134.937248886, -1.006263978, 6.263019741)),
    (dict(alpha=0.9, gamma=3.5), 3, (49.140842814, -0.998907588, 3.602817184)),
    (dict(alpha=None, gamma=0.5), 3, (138.598271598, -1.185016150, 6.124233011)),
    (dict(alpha=0.25, gamma=2), 1, (14.365203540, 1.267584091, 1.651479579)),
]
SMP_FOCAL = [
    # mode='multiclass', ignore_index=255
    (dict(alpha=0.25, gamma=2.0), (0.880392825, -0.002745301, 0.059405061)),
    (dict(alpha=0.5, gamma=0.5), (0.831806640, -0.016380421, 0.044382027)),
    (dict(alpha=None, gamma=3.0), (1.490828156, -0.023008479, 0.095554421)),
]
SMP_DICE = [
    # smooth is half of eps here; mode='multiclass' twice, 'multilabel' and 'binary'
    (dict(use_sigmoid=False, eps=0.5), 3, True, (0.750113567, -0.001276407, 0.031347958)),
    (dict(use_sigmoid=False, eps=0.001), 3, True, (0.785465077, -0.000497598, 0.032096894)),
    (dict(eps=0.5), 3, False, (0.679114296, -0.003603905, 0.013427322)),
    (dict(eps=0.5), 1, True, (0.350433781, 0.001514389, 0.024959922)),
]
MONAI_DICE = [
    # naive_dice: smooth_nr=smooth_dr=eps; else squared_pred, smooth_nr=0, smooth_dr=2*eps;
    # per_image: batch=False
    (dict(naive_dice=True, eps=0.5), (0.679114296, -0.003603905, 0.013427322)),
    (
        dict(use_sigmoid=False, naive_dice=True, per_image=True, eps=0.5),
        (0.767297760, -0.001231926, 0.026110355),
    ),
    (dict(eps=0.25), (0.679982785, -0.002311519, 0.015028650)),
    (
        dict(use_sigmoid=False, per_image=True, eps=0.25),
        (0.819391687, 0.000072905, 0.028460005),
    ),
]
MONAI_SOFTMAX_FOCAL = [
    # use_softmax=True; its mean counts classes as well
    (dict(gamma=2.0), (1.511905551, -0.012415717, 0.082626231)),
    (dict(gamma=0.5, class_weight=[0.5, 1, 2]), (1.549729705, -0.050244786, 0.093295793)),
]


def assert_numbers(loss, wanted, num_channels=3, holes=False):
    logits = wave(2, num_channels, 3, 4)
    labels = wave_labels(2, num_channels, 3, 4, holes)
    value, gradient = value_and_gradient(loss, logits, labels)
    probe = torch.arange(gradient.numel(), dtype=torch.float64).cos().view_as(gradient)
    found = value.item(), (gradient * probe).sum().item(), gradient.norm().item()
    # MONAI turns labels and weights to float32 on the way
    assert found == pytest.approx(wanted, rel=2e-7, abs=3e-9)


@pytest.mark.parametrize(('settings', 'num_channels', 'wanted'), TORCHVISION)
def test_focal_loss_is_torchvision_s(settings, num_channels, wanted):
    assert_numbers(FocalLoss(reduction='sum', **settings), wanted, num_channels)


@pytest.mark.parametrize(('settings', 'wanted'), SMP_FOCAL)
def test_focal_loss_is_segmentation_models_pytorch_s(settings, wanted):
    assert_numbers(FocalLoss(avg_over_classes=True, **settings), wanted, holes=True)


@pytest.mark.parametrize(('settings', 'num_channels', 'holes', 'wanted'), SMP_DICE)
def test_dice_loss_is_segmentation_models_pytorch_s(settings, num_channels, holes, wanted):
    assert_numbers(DiceLoss(naive_dice=True, **settings), wanted, num_channels, holes)


@pytest.mark.parametrize(('settings', 'wanted'), MONAI_DICE)
def test_dice_loss_is_monai_s(settings, wanted):
    assert_numbers(DiceLoss(**settings), wanted)


@pytest.mark.parametrize(('settings', 'wanted'), MONAI_SOFTMAX_FOCAL)
def test_softmax_focal_loss_is_monai_s(settings, wanted):
    assert_numbers(FocalLoss(use_sigmoid=False, alpha=None, loss_weight=1 / 3, **settings), wanted)


def test_focal_dice_loss_is_monai_s():
    # lambda_dice=0.7, lambda_focal=1.3, alpha=0.25, gamma=2, batch=True, smooth_nr=smooth_dr=0.5
    loss = FocalDiceLoss(1.3, 0.7, alpha=0.25, avg_over_classes=True, naive_dice=True, eps=0.5)
    assert_numbers(loss, (1.794723574, -0.000240976, 0.075405224))
