import pytest
import torch
from loss_inputs import LOSSES, SIGMOID, batch, value_and_gradient

from mmseg_ext.losses import functional
from mmseg_ext.losses.target import make_target, tolerant_target

DTYPES = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize('dtype', DTYPES)
def test_labels_of_any_integer_type(dtype):
    ignore_index = 100
    label = torch.tensor([[[0, 1, 2], [2, 100, 0]]], dtype=dtype)
    target = make_target(label, 3, ignore_index)
    assert target.valid.tolist() == [[[True, True, True], [True, False, True]]]
    assert torch.equal(target.positive, target.valid)
    assert target.channel.tolist() == [[[0, 1, 2], [2, 0, 0]]]
    assert target.channel.dtype == torch.int64
    assert target.fault == 0


def test_a_single_channel_is_that_of_label_1():
    target = make_target(torch.tensor([[[0, 1, 255]]]), 1, 255)
    assert target.valid.tolist() == [[[True, True, False]]]
    assert target.positive.tolist() == [[[False, True, False]]]
    assert not target.channel.any()


def test_a_class_may_be_the_ignored_label_and_none_may():
    label = torch.tensor([[[0, 1, 2]]])
    assert make_target(label, 3, 0).valid.tolist() == [[[False, True, True]]]
    assert make_target(label, 3, None).valid.all()


@pytest.mark.parametrize(
    ('labels', 'num_classes', 'ignore_index', 'message'),
    [
        ([0, 3], 3, 255, r'label 3: .* 3 classes, so 0 to 2 and ignore_index=255'),
        ([0, -1], 3, 255, 'label -1: .* 3 classes'),
        ([0, -1], 3, None, 'label -1: .* ignore_index=None'),
        ([0, 255], 3, None, 'label 255'),
        ([1, 2], 1, 255, 'label 2: .* 2 classes, so 0 to 1'),
        ([1, 254], 150, 255, 'label 254'),
    ],
)
def test_a_label_outside_the_classes_is_named(labels, num_classes, ignore_index, message):
    with pytest.raises(ValueError, match=message):
        make_target(torch.tensor([[labels]]), num_classes, ignore_index)


def test_small_integers_do_not_wrap_around():
    label = torch.tensor([[[0, 43, 44, 255]]], dtype=torch.uint8)
    assert make_target(label, 300, None).valid.all()
    # -100 is 156 as uint8
    with pytest.raises(ValueError, match='label 156'):
        make_target(torch.tensor([[[0, 156]]], dtype=torch.uint8), 3, -100)


@pytest.mark.parametrize('num_channels', [1, 4])
def test_sums_and_spreads_by_image_and_channel(num_channels):
    _, label = batch(0, (2, num_channels, 4, 5))
    target = make_target(label, num_channels, 255)
    values = torch.arange(40.0).view(2, 4, 5)
    wanted = torch.zeros(2, num_channels, dtype=torch.float64)
    for n, i, j in target.positive.nonzero().tolist():
        wanted[n, target.channel[n, i, j]] += values[n, i, j]
    assert torch.equal(target.sum_by_channel(values, num_channels), wanted)
    per_channel = torch.arange(2.0 * num_channels).view(2, num_channels)
    spread = target.spread(per_channel)
    for n, i, j in target.valid.nonzero().tolist():
        assert spread[n, i, j] == per_channel[n, target.channel[n, i, j]]


@pytest.mark.parametrize('num_channels', [1, 3])
@pytest.mark.parametrize('bad', [3, -1, -100, 254, 10**9])
def test_where_nobody_may_look_wrong_labels_are_left_out_and_told_by_nan(bad, num_channels):
    label = torch.tensor([[[0, 1, bad, 255]]])
    target = tolerant_target(label, num_channels, 255)
    assert target.valid.tolist() == [[[True, True, False, False]]]
    assert target.channel.max() < num_channels
    assert target.channel.min() >= 0
    assert target.fault.isnan()
    assert target.mark({'loss_a': torch.ones(2)})['loss_a'].isnan().all()


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('bad', [3, -7, 10**9])
def test_a_wrong_label_on_a_gpu_makes_the_loss_nan_and_crashes_nothing(name, bad, monkeypatch):
    # what a GPU runs, run here, where an index outside would raise
    monkeypatch.setattr(functional, 'make_target', tolerant_target)
    logits, labels = batch(0)
    _, wanted = value_and_gradient(LOSSES[name], logits, labels)
    labels[labels == 255] = bad
    value, gradient = value_and_gradient(LOSSES[name], logits, labels)
    assert value.isnan()
    assert torch.equal(gradient, wanted)


@pytest.mark.parametrize('name', SIGMOID)
def test_a_wrong_label_of_a_single_channel_too(name, monkeypatch):
    monkeypatch.setattr(functional, 'make_target', tolerant_target)
    logits, labels = batch(0, (2, 1, 4, 5))
    labels[0, 0, 0] = 2
    value, gradient = value_and_gradient(SIGMOID[name], logits, labels)
    assert value.isnan()
    assert gradient.isfinite().all()
