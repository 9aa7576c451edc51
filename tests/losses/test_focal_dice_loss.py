import pytest
import torch
from loss_inputs import assert_same, batch, value_and_gradient

from mmseg_ext.losses import DiceLoss, FocalDiceLoss, FocalLoss

WEIGHTS = [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.7, 1.3), (2.0, 1.0), (0.75, 0.25)]
FOCAL = [
    dict(),
    dict(gamma=1),
    dict(gamma=0.5, alpha=None, avg_non_ignore=False),
    dict(alpha=[0.1, 0.5, 0.9], class_weight=[0.5, 2.0, 0.0], gamma=3.5),
]
DICE = [
    dict(),
    dict(naive_dice=True, per_image=True),
    dict(pooled=True, count_ignored=True, eps=1.0),
]


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('use_sigmoid', [True, False])
@pytest.mark.parametrize('dice', DICE, ids=str)
@pytest.mark.parametrize('focal', FOCAL, ids=str)
@pytest.mark.parametrize('weights', WEIGHTS, ids=str)
def test_is_the_sum_of_both(weights, focal, dice, use_sigmoid, reduction):
    inputs = batch(0, label_size=(9, 7))
    focal_weight, dice_weight = weights
    shared = dict(use_sigmoid=use_sigmoid, reduction=reduction)
    both = FocalDiceLoss(focal_weight, dice_weight, **focal, **dice, **shared)
    alone = [FocalLoss(**focal, **shared), DiceLoss(**dice, **shared)]

    def wanted(*args, **settings):
        return sum(w * loss(*args, **settings) for w, loss in zip(weights, alone, strict=True))

    pixel_weight = torch.linspace(0, 2, 126).view(2, 9, 7)
    settings = dict(weight=pixel_weight, align_corners=False)
    assert_same(
        value_and_gradient(both, *inputs, **settings),
        value_and_gradient(wanted, *inputs, **settings),
    )


@pytest.mark.parametrize('use_sigmoid', [True, False])
def test_its_terms_are_named_and_each_has_its_own_gradient(use_sigmoid):
    logits, labels = batch(0)
    loss = FocalDiceLoss(0.7, 1.3, use_sigmoid=use_sigmoid)

    def mixed(logits, factors):
        terms, *_ = loss.terms(logits, labels)
        assert list(terms) == ['loss_focal', 'loss_dice']
        return factors[0] * terms['loss_focal'] + factors[1] * terms['loss_dice']

    for factors in [(1, 0), (0, 1), (3, -0.5)]:

        def wanted(logits, factors=factors):
            focal = FocalLoss(use_sigmoid, loss_weight=0.7)(logits, labels)
            return factors[0] * focal + factors[1] * DiceLoss(use_sigmoid, loss_weight=1.3)(
                logits, labels
            )

        assert_same(value_and_gradient(mixed, logits, factors), value_and_gradient(wanted, logits))
