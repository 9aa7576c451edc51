import math

import loss_formulas
import pytest
import torch
from loss_inputs import SIZES, assert_same, batch, value_and_gradient, wave, wave_labels
from mmseg.models.losses.focal_loss import py_sigmoid_focal_loss

from mmseg_ext.losses import FocalLoss


def one_sigmoid_term(z, own, gamma, alpha):
    """Eq. 5 of the paper, as it stands there."""
    p = 1 / (1 + math.exp(-z))
    p_t, a_t = (p, alpha) if own else (1 - p, 1 - alpha)
    return -a_t * (1 - p_t) ** gamma * math.log(p_t)


@pytest.mark.parametrize('gamma', [0, 0.5, 1, 2, 3.5])
def test_sigmoid_is_the_paper_s_formula_pixel_by_pixel(gamma):
    logits, labels = wave(2, 3, 4, 5), wave_labels(2, 3, 4, 5, holes=True)
    losses = FocalLoss(gamma=gamma, alpha=0.25, reduction='none')(logits, labels)
    for n, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(4), torch.arange(5)).tolist():
        label = labels[n, i, j].item()
        terms = [
            one_sigmoid_term(logits[n, c, i, j].item(), c == label, gamma, 0.25) for c in range(3)
        ]
        want = 0 if label == 255 else sum(terms)
        assert losses[n, i, j].item() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize('gamma', [0, 0.5, 1, 2, 3.5])
def test_softmax_is_the_paper_s_formula_of_the_own_class(gamma):
    logits, labels = wave(1, 4, 3, 3), wave_labels(1, 4, 3, 3, holes=False)
    losses = FocalLoss(use_sigmoid=False, gamma=gamma, alpha=None, reduction='none')(logits, labels)
    for i, j in torch.cartesian_prod(torch.arange(3), torch.arange(3)).tolist():
        powers = [math.exp(z) for z in logits[0, :, i, j].tolist()]
        p = powers[labels[0, i, j]] / sum(powers)
        assert losses[0, i, j].item() == pytest.approx(-((1 - p) ** gamma) * math.log(p), rel=1e-9)


SETTINGS = [
    dict(),
    dict(gamma=0),
    dict(gamma=0.5, alpha=None),
    dict(gamma=1, alpha=0.25),
    dict(gamma=3.5, alpha=[0.1, 0.5, 0.9]),
    dict(class_weight=[0.5, 2.0, 0.0]),
    dict(class_weight=[0.5, 2.0, 1.0], alpha=[0.1, 0.5, 0.9], gamma=1.5),
    dict(avg_non_ignore=False),
    dict(avg_non_ignore=False, avg_over_classes=True, alpha=None),
    dict(use_sigmoid=False),
    dict(use_sigmoid=False, gamma=0.5, alpha=[0.1, 0.5, 0.9]),
    dict(use_sigmoid=False, gamma=0, class_weight=[0.5, 2.0, 1.0], avg_non_ignore=False),
]


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('size', 'label_size'), SIZES)
@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_equals_the_formula_on_upsampled_logits(settings, size, label_size, align_corners):
    inputs = batch(0, (2, 3, *size), label_size, ignored=0.3 if size[0] != 3 else 0)
    formula = loss_formulas.upsampled(loss_formulas.focal, align_corners)
    assert_same(
        value_and_gradient(FocalLoss(**settings), *inputs, align_corners=align_corners),
        value_and_gradient(formula, *inputs, **settings),
    )


@pytest.mark.parametrize('gamma', [0.5, 2])
def test_a_single_channel_is_that_of_label_1(gamma):
    inputs = batch(0, (2, 1, 4, 5))
    settings = dict(gamma=gamma, alpha=0.25)
    assert_same(
        value_and_gradient(FocalLoss(**settings), *inputs),
        value_and_gradient(loss_formulas.focal, *inputs, **settings),
    )


@pytest.mark.parametrize('class_weight', [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.5), (0.5, [0.1, 0.5, 0.9])])
def test_equals_mmsegmentation_s_formula_where_the_one_hot_labels_are_right(
    gamma, alpha, class_weight
):
    logits, labels = batch(0)

    def stock(logits):
        truth, valid = loss_formulas.one_hot(logits, labels)
        flat = [each.movedim(1, 3).flatten(0, 2) for each in (logits, truth, valid)]
        return py_sigmoid_focal_loss(
            *flat[:2], gamma=gamma, alpha=alpha, class_weight=class_weight, valid_mask=flat[2]
        )

    loss = FocalLoss(
        gamma=gamma,
        alpha=alpha,
        class_weight=class_weight,
        avg_non_ignore=False,
        avg_over_classes=True,
    )
    assert_same(value_and_gradient(loss, logits, labels), value_and_gradient(stock, logits))


def test_class_weights_come_from_a_file_too(tmp_path):
    (tmp_path / 'weights.json').write_text('[0.5, 2.0, 1.0]')
    inputs = batch(0)
    from_file = FocalLoss(class_weight=str(tmp_path / 'weights.json'))(*inputs)
    assert from_file == FocalLoss(class_weight=[0.5, 2.0, 1.0])(*inputs)
