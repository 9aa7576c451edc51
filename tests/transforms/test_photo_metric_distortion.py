"""PhotoMetricDistortion beside MMSegmentation's."""

import cv2
import numpy as np
import pytest
from chains import compose, make_sample, run_seeded

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import Distortion, PhotoMetricDistortion
from mmseg_ext.transforms.colour import distort


def test_one_seed_gives_the_stock_colours():
    sample = make_sample(40, 60)
    stock, fast = compose(dict(type='PhotoMetricDistortion')), PhotoMetricDistortion()
    once, twice = [], []
    for seed in range(200):
        theirs, ours = run_seeded(stock, sample, seed)['img'], run_seeded(fast, sample, seed)['img']
        np.random.seed(seed)
        drawn = fast.draw()
        both = drawn.saturation is not None and drawn.hue is not None
        (twice if both else once).append(np.abs(ours.astype(int) - theirs))
    assert len(once) > 100 and len(twice) > 20
    assert max(each.max() for each in once) == 0
    # the stock transform goes through 8-bit HSV twice, and rounds twice
    assert max(each.mean() for each in twice) < 2


def test_settings_mean_what_they_mean_in_stock():
    sample = make_sample(40, 60)
    settings = dict(
        brightness_delta=90, contrast_range=(0.1, 3), saturation_range=(0, 4), hue_delta=80
    )
    stock = compose(dict(type='PhotoMetricDistortion', **settings))
    fast = PhotoMetricDistortion(**settings)
    for seed in range(60):
        theirs, ours = run_seeded(stock, sample, seed)['img'], run_seeded(fast, sample, seed)['img']
        assert cv2.absdiff(ours, theirs).mean() < 2


def test_steps_by_hand():
    image = np.full((1, 1, 3), (10, 100, 200), np.uint8)
    assert distort(image, Distortion()).tolist() == image.tolist()
    assert distort(image, Distortion(brightness=60.9)).tolist() == [[[70, 160, 255]]]
    first = Distortion(brightness=60.9, contrast=0.5, contrast_first=True)
    assert distort(image, first).tolist() == [[[35, 80, 127]]]
    assert distort(image, Distortion(saturation=0.0)).tolist() == [[[200, 200, 200]]]
    red = np.full((1, 1, 3), (0, 0, 255), np.uint8)
    assert distort(red, Distortion(hue=60)).tolist() == [[[0, 255, 0]]]
    assert distort(red, Distortion(hue=-60)).tolist() == [[[255, 0, 0]]]


def test_left_to_the_device_it_draws_the_same():
    sample = make_sample()
    later = run_seeded(PhotoMetricDistortion(on_device=True), sample, 5)
    now = run_seeded(PhotoMetricDistortion(), sample, 5)
    assert later['img'] is sample['img']
    np.testing.assert_array_equal(distort(sample['img'], later['on_device']['colour']), now['img'])


def test_two_cannot_both_be_left():
    chain = compose(*[dict(type='mmseg_ext.PhotoMetricDistortion', on_device=True)] * 2)
    with pytest.raises(ValueError, match='colour'):
        run_seeded(chain, make_sample())


@pytest.mark.parametrize('shape', [(8, 8), (8, 8, 1), (8, 8, 4)])
def test_other_channels_are_refused(shape):
    with pytest.raises(UsageError, match='PhotoMetricDistortion: a.jpg .* 3 channels'):
        PhotoMetricDistortion()(dict(img=np.zeros(shape, np.uint8), img_path='a.jpg'))


@pytest.mark.parametrize(
    'wrong',
    [
        dict(brightness_delta=-1),
        dict(contrast_range=(1.5, 0.5)),
        dict(saturation_range=(-1, 1)),
        dict(hue_delta=0),
        dict(hue_delta=2.5),
    ],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PhotoMetricDistortion(**wrong)
