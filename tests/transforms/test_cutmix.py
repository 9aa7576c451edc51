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
    sources,
)
from mmengine.dataset import Compose

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms import CutMix


@given(batches, seeds, st.floats(0.1, 5))
def test_a_box_moves_with_its_labels_and_its_share_is_told(batch, seed, alpha):
    inputs, label = batch
    mixed = assert_repeats_and_keeps_its_input(CutMix(1.0, alpha), inputs, label, seed)
    origin = assert_pixels_take_their_labels_along(mixed, inputs, label)
    assert_one_partner_each(origin)
    for index, told in enumerate(mixed.metainfo):
        pasted = origin[index] != index
        assert told['cutmix_ratio'] == pytest.approx(1 - pasted.double().mean().item())
        rows, columns = pasted.any(1), pasted.any(0)
        assert torch.equal(pasted, rows[:, None] & columns), 'a box'
        for line in (rows, columns):
            assert line.int().diff().abs().sum() <= 2, 'without gaps'


def test_the_distribution_is_the_papers():
    """Algorithm A1 of arXiv 1905.04899, written out with uniform lambda."""
    inputs, label = make_batch(8, 40, 30)
    rng, shares = np.random.default_rng(1), []
    for _ in range(250):
        mixed = CutMix(1.0)(inputs, label, rng)
        shares += [told['cutmix_ratio'] for told in mixed.metainfo]
    ratio, x, y = np.random.default_rng(2).random((3, 100000))
    side = np.sqrt(1 - ratio)
    width = np.minimum(x + side / 2, 1) - np.maximum(x - side / 2, 0)
    height = np.minimum(y + side / 2, 1) - np.maximum(y - side / 2, 0)
    expected = 1 - width * height
    for quantile in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert np.quantile(shares, quantile) == pytest.approx(
            np.quantile(expected, quantile), abs=0.04
        )


def test_every_image_has_a_box_of_its_own_and_any_other_can_be_partner():
    inputs, label = make_batch(4, 16, 16)
    rng, shifts = np.random.default_rng(0), set()
    for _ in range(30):
        mixed = CutMix(1.0)(inputs, label, rng)
        assert len({told['cutmix_ratio'] for told in mixed.metainfo}) > 1
        origin = sources(mixed.inputs, inputs)
        shifts |= set(((torch.arange(4).view(4, 1, 1) - origin) % 4).unique().tolist())
    assert shifts == {0, 1, 2, 3}


def test_labels_without_a_channel():
    inputs, label = make_batch(3, 8, 8)
    with_channel, without = (
        CutMix(1.0)(inputs, each, np.random.default_rng(5)) for each in (label, label[:, 0])
    )
    assert torch.equal(with_channel.seg_label[:, 0], without.seg_label)


def test_prob_is_the_share_of_batches():
    inputs, label = make_batch(2, 8, 8)
    rng = np.random.default_rng(0)
    results = [CutMix(0.25)(inputs, label, rng) for _ in range(400)]
    mixed = [result for result in results if result.metainfo]
    assert 70 < len(mixed) < 130
    assert all(result.inputs is inputs for result in results if not result.metainfo)


def test_a_single_image_has_no_partner():
    with pytest.raises(ValueError, match='CutMix needs a batch of two'):
        CutMix(1.0)(*make_batch(1, 4, 4), np.random.default_rng(0))


@pytest.mark.parametrize('settings', [dict(prob=0), dict(prob=1.5), dict(alpha=0), dict(alpha=-1)])
def test_bad_settings_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=rf'\b{name}\b'):
        CutMix(**settings)


def test_in_a_pipeline_it_says_where_it_belongs():
    message = (
        r"CutMix mixes.*batch_augments=\[dict\(type='mmseg_ext.CutMix', prob=0.3, alpha=1.0\)\]"
    )
    with pytest.raises(UsageError, match=message):
        Compose([CutMix(0.3)])(dict(img=np.zeros((8, 8, 3), np.uint8)))


def test_it_is_registered_and_says_its_settings():
    built = TRANSFORMS.build(dict(type='mmseg_ext.CutMix', prob=0.3, alpha=2.0))
    assert repr(built) == 'CutMix(prob=0.3, alpha=2.0)'
