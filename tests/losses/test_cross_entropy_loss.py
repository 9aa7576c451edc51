import math

import loss_formulas
import pytest
import torch
import torch.nn.functional as F
from loss_inputs import SIZES, assert_same, batch, value_and_gradient
from mmseg.models.losses import CrossEntropyLoss as StockCrossEntropyLoss

from mmseg_ext.losses import CrossEntropyLoss

WEIGHTS = [0.5, 2.0, 0.0]
SETTINGS = [
    dict(),
    dict(class_weight=WEIGHTS),
    dict(avg_non_ignore=False),
    dict(class_weight=WEIGHTS, avg_non_ignore=False, label_smoothing=0.3),
    dict(label_smoothing=0.1),
    dict(use_sigmoid=True),
    dict(use_sigmoid=True, class_weight=WEIGHTS),
    dict(use_sigmoid=True, class_weight=WEIGHTS, avg_non_ignore=False),
]


def test_is_minus_the_mean_logarithm_of_the_own_class():
    logits, labels = batch(0)
    logarithms = []
    for n, i, j in (labels != 255).nonzero().tolist():
        powers = [math.exp(z) for z in logits[n, :, i, j].tolist()]
        logarithms.append(math.log(powers[labels[n, i, j]] / sum(powers)))
    want = -sum(logarithms) / len(logarithms)
    assert CrossEntropyLoss()(logits, labels).item() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('size', 'label_size'), SIZES)
@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_equals_the_formula_on_upsampled_logits(settings, size, label_size, align_corners):
    inputs = batch(1, (2, 3, *size), label_size, ignored=0.3 if size[0] != 3 else 0)
    formula = loss_formulas.upsampled(loss_formulas.cross_entropy, align_corners)
    assert_same(
        value_and_gradient(CrossEntropyLoss(**settings), *inputs, align_corners=align_corners),
        value_and_gradient(formula, *inputs, **settings),
    )


@pytest.mark.parametrize('reduction', ['mean', 'sum', 'none'])
@pytest.mark.parametrize('label_smoothing', [0.0, 0.1, 0.9])
@pytest.mark.parametrize('class_weight', [None, WEIGHTS])
@pytest.mark.parametrize('ignore_index', [255, 1])
def test_equals_pytorch_s_in_any_combination(
    ignore_index, class_weight, label_smoothing, reduction
):
    logits, labels = batch(0)
    labels[labels == 255] = ignore_index

    def wanted(logits):
        return F.cross_entropy(
            logits,
            labels,
            None if class_weight is None else logits.new_tensor(class_weight),
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )

    loss = CrossEntropyLoss(
        class_weight=class_weight, label_smoothing=label_smoothing, reduction=reduction
    )
    found = value_and_gradient(loss, logits, labels, ignore_index=ignore_index)
    assert_same(found, value_and_gradient(wanted, logits))


@pytest.mark.parametrize('use_sigmoid', [False, True])
@pytest.mark.parametrize('avg_non_ignore', [False, True])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('with_weight', [False, True])
def test_equals_mmsegmentation_s_without_class_weights(
    with_weight, reduction, avg_non_ignore, use_sigmoid
):
    logits, labels = batch(0, dtype=torch.float32)
    weight = torch.linspace(0, 2, labels.numel()).view_as(labels) if with_weight else None
    settings = dict(use_sigmoid=use_sigmoid, avg_non_ignore=avg_non_ignore, reduction=reduction)
    stock = StockCrossEntropyLoss(loss_weight=0.7, **settings)
    ours = CrossEntropyLoss(loss_weight=0.7, **settings)
    assert_same(
        value_and_gradient(ours, logits, labels, weight=weight),
        value_and_gradient(stock, logits, labels, weight=weight, ignore_index=255),
        rtol=1e-6,
    )


def test_a_single_channel_is_that_of_label_1():
    inputs = batch(0, (2, 1, 4, 5))
    assert_same(
        value_and_gradient(CrossEntropyLoss(use_sigmoid=True), *inputs),
        value_and_gradient(loss_formulas.cross_entropy, *inputs, use_sigmoid=True),
    )


def test_pixels_of_weightless_classes_alone_are_worth_nothing():
    logits, labels = batch(0)
    labels[labels != 255] = 2
    value, gradient = value_and_gradient(
        CrossEntropyLoss(class_weight=WEIGHTS, label_smoothing=0.0), logits, labels
    )
    assert value == 0 and not gradient.any()
