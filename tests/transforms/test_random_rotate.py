import numpy as np
import pytest
from mmseg.datasets.transforms import PackSegInputs
from mmseg.datasets.transforms import RandomRotate as StockRandomRotate

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import RandomRotate


def make_sample():
    draws = np.random.default_rng(0)
    return dict(
        img=draws.integers(0, 256, (30, 40, 3), dtype=np.uint8),
        gt_seg_map=draws.integers(0, 5, (30, 40), dtype=np.uint8),
        gt_other_map=draws.integers(0, 5, (30, 40), dtype=np.uint8),
        seg_fields=['gt_seg_map', 'gt_other_map'],
        img_shape=(30, 40),
    )


@pytest.mark.parametrize(
    'settings',
    [
        dict(prob=1, degree=30),
        dict(prob=0.5, degree=(-10, 80), seg_pad_val=0),
        dict(prob=1, degree=30.0, pad_val=(1, 2, 3), center=(5, 7)),
        dict(prob=1, degree=30, auto_bound=True),
    ],
    ids=str,
)
def test_pixels_and_draws_are_the_stock_ones(settings):
    for seed in range(6):
        results = []
        for kind in (RandomRotate, StockRandomRotate):
            np.random.seed(seed)
            results.append(kind(**settings)(make_sample()))
        for key in ('img', 'gt_seg_map', 'gt_other_map'):
            np.testing.assert_array_equal(results[0][key], results[1][key])


def test_a_number_fills_all_channels_where_the_stock_one_makes_blue():
    settings = dict(prob=1, degree=(45, 45), pad_val=128)
    assert RandomRotate(**settings)(make_sample())['img'][0, 0].tolist() == [128, 128, 128]
    # once it does that too, this class has one reason less
    assert StockRandomRotate(**settings)(make_sample())['img'][0, 0].tolist() == [128, 0, 0]


def test_img_shape_follows_a_larger_image():
    results = RandomRotate(1, (90, 90), auto_bound=True)(make_sample())
    assert results['img'].shape == (40, 30, 3)
    assert RandomRotate(1, 10)(dict(img=np.zeros((8, 9, 1), np.uint8)))['img'].shape == (8, 9, 1)
    packed = PackSegInputs()(results)
    assert packed['data_samples'].img_shape == (40, 30)
    assert packed['data_samples'].gt_sem_seg.shape == (40, 30)


def test_a_quarter_turn_is_clockwise_and_the_same_for_image_and_labels():
    sample = make_sample()
    sample['img'] = sample['gt_seg_map']
    results = RandomRotate(1, (90, 90), auto_bound=True)(sample)
    expected = np.rot90(make_sample()['gt_seg_map'], -1)
    for key in ('img', 'gt_seg_map'):
        np.testing.assert_array_equal(results[key], expected)


def test_what_is_left_open_is_ignored():
    results = RandomRotate(1, (45, 45))(dict(make_sample(), img=np.full((30, 40), 9, np.uint8)))
    assert (results['gt_seg_map'][results['img'] == 0] == 255).all()
    assert (results['gt_seg_map'][results['img'] == 9] != 255).all()
    assert 0.1 < (results['gt_seg_map'] == 255).mean() < 0.5


@pytest.mark.parametrize(
    'settings',
    [
        dict(prob=0),
        dict(degree=0),
        dict(degree=(30, 10)),
        dict(degree=-30),
        dict(degree=400),
        dict(pad_val=300),
        dict(pad_val=(1, 2)),
        dict(seg_pad_val=256),
        dict(center=(1, 2), auto_bound=True),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        RandomRotate(**dict(prob=0.5, degree=10) | settings)


def test_images_of_other_channels_are_named():
    with pytest.raises(UsageError, match=r'RandomRotate: b\.jpg'):
        RandomRotate(1, 10)(dict(img=np.zeros((8, 8, 6), np.uint8), img_path='b.jpg'))
