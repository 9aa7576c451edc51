import loss_formulas
import pytest
import torch
from loss_inputs import SIZES, assert_same, batch, value_and_gradient
from mmseg.models.losses import DiceLoss as StockDiceLoss

from mmseg_ext.losses import DiceLoss

SETTINGS = [
    dict(),
    dict(naive_dice=True),
    dict(per_image=True),
    dict(pooled=True),
    dict(pooled=True, per_image=True, naive_dice=True, eps=1.0),
    dict(count_ignored=True, eps=0.1),
    dict(count_ignored=True, naive_dice=True, pooled=True),
    dict(use_sigmoid=False),
    dict(use_sigmoid=False, naive_dice=True, per_image=True),
    dict(use_sigmoid=False, pooled=True, eps=1.0),
    dict(use_sigmoid=False, count_ignored=True),
    dict(use_sigmoid=False, count_ignored=True, naive_dice=True, per_image=True),
]


def test_is_the_formula_class_by_class():
    logits, labels = batch(0, (2, 4, 4, 5))
    labels[labels == 2] = 0  # class 2 occurs nowhere, and takes no part
    losses = []
    for channel in (0, 1, 3):
        overlap = size = area = 0.0
        for z, label in zip(logits[:, channel].flatten(), labels.flatten(), strict=True):
            if label != 255:
                p = 1 / (1 + torch.exp(-z))
                overlap += p * (label == channel)
                size += p**2
                area += label == channel
        losses.append(1 - 2 * overlap / (size + area + 2e-3))
    assert DiceLoss()(logits, labels).item() == pytest.approx(sum(losses).item() / 3, rel=1e-12)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('size', 'label_size'), SIZES)
@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_equals_the_formula_on_upsampled_logits(settings, size, label_size, align_corners):
    inputs = batch(0, (2, 3, *size), label_size, ignored=0.3 if size[0] != 3 else 0)
    formula = loss_formulas.upsampled(loss_formulas.dice, align_corners)
    assert_same(
        value_and_gradient(DiceLoss(**settings), *inputs, align_corners=align_corners),
        value_and_gradient(formula, *inputs, **settings),
    )


@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_a_weight_per_pixel_is_in_every_sum(settings):
    inputs = batch(0)
    weight = torch.rand(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert_same(
        value_and_gradient(DiceLoss(**settings), *inputs, weight=weight),
        value_and_gradient(loss_formulas.dice, *inputs, weight=weight, **settings),
    )


@pytest.mark.parametrize('naive_dice', [False, True])
def test_a_single_channel_is_that_of_label_1(naive_dice):
    inputs = batch(0, (2, 1, 4, 5))
    assert_same(
        value_and_gradient(DiceLoss(naive_dice=naive_dice), *inputs),
        value_and_gradient(loss_formulas.dice, *inputs, naive_dice=naive_dice),
    )


@pytest.mark.parametrize('ignored', [0.0, 0.3])
@pytest.mark.parametrize('use_sigmoid', [False, True])
@pytest.mark.parametrize('naive_dice', [False, True])
@pytest.mark.parametrize('reduction', ['mean', 'sum', 'none'])
def test_pooled_over_an_image_with_ignored_pixels_is_mmsegmentation_s(
    reduction, naive_dice, use_sigmoid, ignored
):
    logits, labels = batch(0, ignored=ignored)
    settings = dict(
        use_sigmoid=use_sigmoid,
        naive_dice=naive_dice,
        reduction=reduction,
        eps=0.01,
        loss_weight=0.7,
    )
    ours = DiceLoss(pooled=True, per_image=True, count_ignored=True, **settings)
    stock = StockDiceLoss(**settings)
    assert_same(
        value_and_gradient(ours, logits, labels),
        value_and_gradient(stock, logits, labels),
        rtol=1e-6,  # the stock loss counts labels in float32
    )


@pytest.mark.parametrize('use_sigmoid', [False, True])
def test_an_image_without_a_valid_pixel_counts_only_where_ignored_pixels_do(use_sigmoid):
    logits, labels = batch(0)
    labels[1] = 255
    alone = DiceLoss(use_sigmoid, per_image=True)(logits[:1], labels[:1])
    assert DiceLoss(use_sigmoid, per_image=True)(logits, labels) == alone
    stock_form = dict(per_image=True, pooled=True, count_ignored=True, reduction='none')
    assert DiceLoss(use_sigmoid, **stock_form)(logits, labels)[1] == 1


@pytest.mark.parametrize(
    ('per_image', 'pooled', 'shape'),
    [(True, False, (2, 3)), (False, False, (3,)), (True, True, (2,)), (False, True, ())],
)
def test_without_reduction_there_is_a_loss_for_each_ratio(per_image, pooled, shape):
    settings = dict(per_image=per_image, pooled=pooled)
    inputs = batch(0, ignored=0)
    losses = DiceLoss(reduction='none', **settings)(*inputs)
    assert losses.shape == shape
    assert losses.mean().item() == pytest.approx(loss_formulas.dice(*inputs, **settings).item())


def test_a_class_missed_is_a_third_of_the_loss_however_small_it_is():
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[0, 0, 0], labels[0, 1:8] = 2, 1  # class 2 has one pixel of 400
    logits = torch.full((1, 3, 20, 20), -30.0)
    logits.scatter_(1, labels.where(labels != 2, 0).unsqueeze(1), 30.0)  # and is taken for 0
    assert DiceLoss()(logits, labels).item() == pytest.approx(1 / 3, abs=2e-3)
    assert DiceLoss(pooled=True)(logits, labels).item() < 0.01


def test_absent_classes_are_left_out_with_ignored_pixels_counted_too():
    logits = torch.full((1, 5, 4, 4), -20.0)
    logits[:, 0] = 20
    assert DiceLoss(count_ignored=True)(logits, torch.zeros(1, 4, 4).long()).item() < 1e-3
