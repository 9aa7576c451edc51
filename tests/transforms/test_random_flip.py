"""RandomFlip beside MMSegmentation's."""

import numpy as np
import pytest
from chains import compose, make_sample, run_seeded

from mmseg_ext.transforms import RandomFlip

SETTINGS = [
    dict(prob=0.5),
    dict(prob=[0.3, 0.3, 0.3], direction=['horizontal', 'vertical', 'diagonal']),
    dict(prob=0.9, direction='vertical', swap_seg_labels=[(1, 2)]),
]


@pytest.mark.parametrize('settings', SETTINGS)
def test_one_seed_gives_the_stock_flip(settings):
    stock, fast = compose(dict(type='RandomFlip', **settings)), RandomFlip(**settings)
    sample = make_sample()
    flips = set()
    for seed in range(30):
        # the stock transform exchanges labels in place
        copy = dict(sample, gt_seg_map=sample['gt_seg_map'].copy())
        theirs, ours = run_seeded(stock, copy, seed), run_seeded(fast, sample, seed)
        assert set(ours) == set(theirs)
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])
        assert ours['flip_direction'] == theirs['flip_direction']
        flips.add(ours['flip_direction'])
    assert len(flips) > 1


def test_left_to_the_device_it_draws_the_same():
    sample = make_sample()
    directions = set()
    for seed in range(10):
        later = run_seeded(RandomFlip(prob=0.5, on_device=True), sample, seed)
        now = run_seeded(RandomFlip(prob=0.5), sample, seed)
        assert later['img'] is sample['img'] and later['gt_seg_map'] is sample['gt_seg_map']
        assert later.get('on_device', {}).get('flip') == now['flip_direction']
        directions.add(now['flip_direction'])
    assert directions == {None, 'horizontal'}


def test_other_types_and_channels():
    sample = make_sample(channels=1)
    sample['gt_seg_map'] = sample['gt_seg_map'].astype(np.int64)
    ours = run_seeded(RandomFlip(prob=1.0), sample)
    np.testing.assert_array_equal(ours['img'], sample['img'][:, ::-1])
    np.testing.assert_array_equal(ours['gt_seg_map'], sample['gt_seg_map'][:, ::-1])


def test_swapped_labels_cannot_be_left():
    with pytest.raises(ValueError, match='swap_seg_labels'):
        RandomFlip(prob=0.5, swap_seg_labels=[(1, 2)], on_device=True)
