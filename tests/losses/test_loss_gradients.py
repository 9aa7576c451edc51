import itertools

import pytest
import torch
from loss_inputs import LOSSES, batch, value_and_gradient
from torch.autograd import gradcheck

from mmseg_ext.losses import CrossEntropyLoss, DiceLoss, FocalDiceLoss, FocalLoss, blocks

GAMMAS = [0, 0.5, 1, 2, 3.5]
# a row of an image, two rows, two images of three
BLOCKS = [1, 3 * 4 * 2, 3 * 4 * 3 * 2]


def assert_gradient(loss, num_channels=3, fast_mode=True, **settings):
    logits, labels = batch(2, (3, num_channels, 2, 2), (3, 4), spread=2)
    logits.requires_grad_()
    weight = torch.linspace(0.5, 2, labels.numel()).view_as(labels)
    assert gradcheck(
        lambda each: loss(each, labels, weight=weight, align_corners=False, **settings),
        logits,
        fast_mode=fast_mode,
    )


@pytest.mark.parametrize('elements', BLOCKS)
@pytest.mark.parametrize(('use_sigmoid', 'gamma'), itertools.product([True, False], GAMMAS))
def test_of_focal_loss(use_sigmoid, gamma, elements, monkeypatch):
    monkeypatch.setitem(blocks.BLOCK_ELEMENTS, 'cpu', elements)
    assert_gradient(FocalLoss(use_sigmoid, gamma, alpha=[0.2, 0.5, 0.9], class_weight=[1, 2, 3]))


@pytest.mark.parametrize('elements', BLOCKS)
@pytest.mark.parametrize(
    ('use_sigmoid', 'naive_dice', 'count_ignored'), itertools.product([True, False], repeat=3)
)
def test_of_dice_loss(use_sigmoid, naive_dice, count_ignored, elements, monkeypatch):
    monkeypatch.setitem(blocks.BLOCK_ELEMENTS, 'cpu', elements)
    assert_gradient(DiceLoss(use_sigmoid, naive_dice, count_ignored=count_ignored))


@pytest.mark.parametrize('elements', BLOCKS)
@pytest.mark.parametrize(
    'settings',
    [dict(), dict(label_smoothing=0.2), dict(use_sigmoid=True), dict(avg_non_ignore=False)],
    ids=str,
)
def test_of_cross_entropy_loss(settings, elements, monkeypatch):
    monkeypatch.setitem(blocks.BLOCK_ELEMENTS, 'cpu', elements)
    assert_gradient(CrossEntropyLoss(class_weight=[0.5, 2.0, 0.0], **settings))


@pytest.mark.parametrize('elements', BLOCKS[:2])
@pytest.mark.parametrize(
    ('use_sigmoid', 'naive_dice', 'gamma'), itertools.product([True, False], [True, False], GAMMAS)
)
def test_of_focal_dice_loss(use_sigmoid, naive_dice, gamma, elements, monkeypatch):
    # the exponents of both are the same at gamma 1 with naive_dice and at 2 without
    monkeypatch.setitem(blocks.BLOCK_ELEMENTS, 'cpu', elements)
    assert_gradient(FocalDiceLoss(0.7, 1.3, gamma, use_sigmoid=use_sigmoid, naive_dice=naive_dice))


@pytest.mark.parametrize('name', LOSSES)
def test_without_reduction(name):
    if not name.startswith('focal_dice'):
        assert_gradient(LOSSES[name], reduction_override='none')


@pytest.mark.parametrize('name', LOSSES)
def test_of_each_logit(name):
    assert_gradient(LOSSES[name], fast_mode=False)


@pytest.mark.parametrize(
    'loss', [FocalLoss(gamma=0.5), DiceLoss(), FocalDiceLoss(), CrossEntropyLoss(True)]
)
def test_of_a_single_channel(loss):
    assert_gradient(loss, num_channels=1)


@pytest.mark.parametrize('name', LOSSES)
def test_can_be_asked_for_twice(name):
    logits, labels = batch(0)
    logits.requires_grad_()
    loss = LOSSES[name](logits, labels)
    first, second = (torch.autograd.grad(loss, logits, retain_graph=True) for _ in range(2))
    assert torch.equal(first[0], second[0])


@pytest.mark.parametrize('name', LOSSES)
def test_inputs_stay_as_they_are(name):
    logits, labels = batch(0)
    before = logits.clone(), labels.clone()
    value_and_gradient(LOSSES[name], logits, labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])
