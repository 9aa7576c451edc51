import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mixing import assert_repeats_and_keeps_its_input, batches, make_batch, seeds

from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms import MixUp


@given(batches, seeds, st.floats(0.1, 5))
def test_images_are_blended_and_both_labels_kept(batch, seed, alpha):
    inputs, label = batch
    mixed = assert_repeats_and_keeps_its_input(MixUp(1.0, alpha), inputs, label, seed)
    assert len(mixed.metainfo) == len(inputs)
    (ratio,) = {told['mixup_ratio'] for told in mixed.metainfo}
    assert type(ratio) is float and 0 <= ratio <= 1
    assert torch.equal(mixed.seg_label, label)
    blends = {}
    for shift in range(1, len(inputs)):
        partners = [(index - shift) % len(inputs) for index in range(len(inputs))]
        wanted = ratio * inputs.double() + (1 - ratio) * inputs[partners].double()
        if torch.equal(mixed.partner_label, label[partners]):
            blends[shift] = (mixed.inputs - wanted).abs().max()
    assert min(blends.values()) < 1e-3


def test_lambda_is_beta_distributed():
    inputs, label = make_batch(2, 1, 1)
    rng = np.random.default_rng(0)
    ratios = [MixUp(1.0, 0.5)(inputs, label, rng).metainfo[0]['mixup_ratio'] for _ in range(3000)]
    # the arcsine distribution
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        wanted = np.sin(np.pi * quantile / 2) ** 2
        assert np.quantile(ratios, quantile) == pytest.approx(wanted, abs=0.04)


def test_an_unmixed_batch_has_one_label():
    inputs, label = make_batch(2, 4, 4)
    results = [MixUp(0.5)(inputs, label, np.random.default_rng(seed)) for seed in range(40)]
    assert 10 < sum(result.partner_label is None for result in results) < 30
    assert all((result.partner_label is None) == (result.metainfo == []) for result in results)


@pytest.mark.parametrize('settings', [dict(prob=0), dict(alpha=0), dict(alpha=float('inf'))])
def test_bad_settings_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=rf'\b{name}\b'):
        MixUp(**settings)


def test_it_is_registered_and_says_its_settings():
    built = TRANSFORMS.build(dict(type='mmseg_ext.MixUp', prob=0.3, alpha=0.4))
    assert repr(built) == 'MixUp(prob=0.3, alpha=0.4)'
