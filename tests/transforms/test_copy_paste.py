import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mixing import (
    assert_one_partner_each,
    assert_pixels_take_their_labels_along,
    assert_repeats_and_keeps_its_input,
    batches,
    make_batch,
    seeds,
)

from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms import CopyPaste


@given(batches, seeds, st.sets(st.integers(0, 7), min_size=1), st.integers(1, 30))
def test_all_pixels_of_the_classes_and_no_other_come_from_the_partner(
    batch, seed, classes, min_pixels
):
    inputs, label = batch
    transform = CopyPaste(1.0, classes=sorted(classes), min_pixels=min_pixels)
    mixed = assert_repeats_and_keeps_its_input(transform, inputs, label, seed)
    origin = assert_pixels_take_their_labels_along(mixed, inputs, label)
    assert_one_partner_each(origin)
    shifts = []
    for shift in range(1, len(inputs)):
        chosen = torch.zeros_like(origin, dtype=torch.bool)
        for index in range(len(inputs)):
            of_partner = label[index - shift, 0]
            wanted = torch.from_numpy(np.isin(of_partner.numpy(), sorted(classes)))
            if wanted.sum() >= min_pixels:
                chosen[index] = wanted
        if torch.equal(chosen, origin != torch.arange(len(inputs)).view(-1, 1, 1)):
            shifts.append(shift)
    assert shifts


def test_negative_labels_and_labels_without_a_channel():
    inputs, label = make_batch(2, 6, 6)
    label[label == 255] = -100
    mixed = CopyPaste(1.0, classes=[0, 5])(inputs, label[:, 0], np.random.default_rng(0))
    partner = label.flip(0)[:, 0]
    chosen = (partner == 0) | (partner == 5)
    assert chosen.any() and (partner == -100).any()
    assert torch.equal(mixed.seg_label, torch.where(chosen, partner, label[:, 0]))
    assert torch.equal(mixed.inputs, torch.where(chosen[:, None], inputs.flip(0), inputs))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(classes=[]), r'classes=\[\]'),
        (dict(classes=3), 'classes=3'),
        (dict(classes=[1.0]), r'classes=\[1.0\]'),
        (dict(classes=[1, 1]), r'classes=\[1, 1\]'),
        (dict(classes=[-1]), r'classes=\[-1\]'),
        (dict(classes=['car']), r"classes=\['car'\]"),
        (dict(classes=[1], min_pixels=0), 'min_pixels=0'),
        (dict(classes=[1], prob=2), 'got 2'),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CopyPaste(**settings)


@pytest.mark.parametrize('classes', [np.array([1, 2]), (np.int64(1), 2), range(1, 3)], ids=str)
def test_any_sequence_of_whole_numbers_is_taken(classes):
    transform = CopyPaste(1.0, classes=classes)
    assert repr(transform) == 'CopyPaste(prob=1.0, classes=[1, 2], min_pixels=1)'


def test_it_is_registered_and_says_its_settings():
    built = TRANSFORMS.build(dict(type='mmseg_ext.CopyPaste', prob=0.3, classes=(3, 1)))
    assert repr(built) == 'CopyPaste(prob=0.3, classes=[3, 1], min_pixels=1)'
