import pytest
import torch
from loss_inputs import LOSSES, batch

from mmseg_ext.losses import CrossEntropyLoss, DiceLoss, FocalDiceLoss, FocalLoss

LOGITS, LABELS = batch(0)

SETTINGS = [
    (FocalLoss, dict(gamma=-1), 'gamma is at least 0, got -1'),
    (FocalLoss, dict(gamma=float('nan')), 'gamma is at least 0, got nan'),
    (FocalLoss, dict(alpha=1.5), r'alpha lies in \[0, 1\], got 1.5'),
    (FocalLoss, dict(alpha=[0.5, -0.1]), r'alpha lies in \[0, 1\], got \[0.5, -0.1\]'),
    (FocalLoss, dict(class_weight=[1, -1]), r'class_weight .* at least 0.* got \[1, -1\]'),
    (FocalLoss, dict(class_weight=[0, 0]), r'class_weight .* not all 0; got \[0, 0\]'),
    (
        FocalLoss,
        dict(alpha=[0.5] * 3, class_weight=[1.0] * 4),
        'alpha has 3 values, class_weight 4',
    ),
    (FocalLoss, dict(use_sigmoid=False, avg_over_classes=True), 'avg_over_classes has no effect'),
    (FocalLoss, dict(reduction='average'), "'mean', 'sum' or 'none', got 'average'"),
    (DiceLoss, dict(eps=0), 'eps is positive.* got 0'),
    (DiceLoss, dict(eps=float('nan')), 'eps is positive.* got nan'),
    (CrossEntropyLoss, dict(label_smoothing=1.0), r'label_smoothing lies in \[0, 1\), got 1.0'),
    (CrossEntropyLoss, dict(label_smoothing=-0.1), r'label_smoothing .* got -0.1'),
    (
        CrossEntropyLoss,
        dict(use_sigmoid=True, label_smoothing=0.1),
        'label_smoothing has no effect with use_sigmoid=True',
    ),
    (CrossEntropyLoss, dict(class_weight=[[1.0, 2.0]]), r'class_weight is one number a class'),
    (FocalDiceLoss, dict(focal_weight=0), 'focal_weight=0, dice_weight=1.0.* take FocalLoss or'),
    (FocalDiceLoss, dict(dice_weight=-1), 'focal_weight=1.0, dice_weight=-1'),
    (FocalDiceLoss, dict(use_sigmoid=False, avg_over_classes=True), 'avg_over_classes has no'),
    (FocalDiceLoss, dict(reduction='none'), "reduction='none'.* take FocalLoss and DiceLoss"),
]


@pytest.mark.parametrize(('loss', 'settings', 'message'), SETTINGS)
def test_a_setting_that_is_wrong_or_without_effect_is_named(loss, settings, message):
    with pytest.raises(ValueError, match=message):
        loss(**settings)


@pytest.mark.parametrize(
    ('loss', 'message'),
    [
        (FocalLoss(alpha=[0.5] * 4), 'alpha or class_weight has 4 values for 3 classes'),
        (FocalLoss(False, class_weight=[1] * 2), 'class_weight has 2 values for 3 classes'),
        (CrossEntropyLoss(class_weight=[1] * 4), 'class_weight has 4 values for 3 classes'),
        (CrossEntropyLoss(True, class_weight=[1] * 4), 'class_weight has 4 values for 3 classes'),
        (FocalDiceLoss(alpha=[0.5] * 4), 'alpha or class_weight has 4 values for 3 classes'),
    ],
)
def test_settings_of_other_classes_are_named(loss, message):
    with pytest.raises(ValueError, match=message):
        loss(LOGITS, LABELS)


INPUTS = [
    (dict(seg_logits=LOGITS[0]), r'logits are \(N, C, h, w\), floating; got \(3, 4, 5\)'),
    (dict(seg_logits=LOGITS.long()), r'logits are .* got \(2, 3, 4, 5\), torch.int64'),
    (dict(seg_label=LABELS.unsqueeze(1)), r'labels are \(N, H, W\).* got \(2, 1, 4, 5\)'),
    (dict(seg_label=LABELS.double()), r'labels are .* integer; got \(2, 4, 5\), torch.float64'),
    (dict(seg_label=LABELS[:1]), '2 images of logits and 1 of labels'),
    (
        dict(seg_label=LABELS.repeat(1, 2, 2)),
        'logits of 4x5 and labels of 8x10: upsample them first, pass align_corners, or use a head',
    ),
    (dict(weight=torch.ones(2, 3, 4, 5)), r'weight is one number a pixel, \(2, 4, 5\); got \(2, 3'),
    (dict(weight=torch.ones(2)), r'weight is one number a pixel, \(2, 4, 5\); got \(2,\)'),
    (dict(seg_label=LABELS + 3), 'label [3-5]: the network has 3 classes, so 0 to 2'),
    (dict(seg_label=-1 - LABELS), 'label -[0-9]+: the network has 3 classes'),
    (dict(ignore_index=None), 'label 255: the network has 3 classes.* ignore_index=None'),
    (dict(reduction_override='average'), "'mean', 'sum' or 'none', got 'average'"),
    (
        dict(avg_factor=7, reduction_override='sum'),
        "avg_factor=7 has no effect with reduction='sum'",
    ),
]


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize(('inputs', 'message'), INPUTS)
def test_an_input_that_does_not_fit_is_named(name, inputs, message):
    with pytest.raises(ValueError, match=message):
        LOSSES[name](**(dict(seg_logits=LOGITS, seg_label=LABELS) | inputs))


@pytest.mark.parametrize('loss', [FocalLoss, DiceLoss, CrossEntropyLoss, FocalDiceLoss])
def test_softmax_of_one_channel_is_refused(loss):
    with pytest.raises(ValueError, match='a single channel is always 1: set use_sigmoid=True'):
        loss(use_sigmoid=False)(LOGITS[:, :1], LABELS)


def test_focal_and_dice_have_no_common_form_without_reduction():
    with pytest.raises(ValueError, match='one per pixel, the dice loss one per class'):
        FocalDiceLoss()(LOGITS, LABELS, reduction_override='none')
