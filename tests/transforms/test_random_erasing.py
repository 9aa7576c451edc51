import math

import numpy as np
import pytest
import torch
from mmseg.models import SegDataPreProcessor

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import RandomErasing


def erase(image, seed=0, **settings):
    np.random.seed(seed)
    sample = dict(img=image, gt_seg_map=np.ones(image.shape[:2], np.uint8))
    sample['seg_fields'] = ['gt_seg_map']
    return RandomErasing(**dict(prob=1) | settings)(sample)


def hole_of(image, background):
    """Top, left, height and width of what differs from the background; all of it has to."""
    rows, columns = np.nonzero((image != background).reshape(*image.shape[:2], -1).all(-1))
    top, left = rows.min(), columns.min()
    height, width = rows.max() - top + 1, columns.max() - left + 1
    assert len(rows) == height * width
    return top, left, height, width


def reference_hole(draws, height, width, area_range, aspect_range):
    """The formulas of torchvision's RandomErasing.get_params, tries without end."""
    while True:
        area = height * width * draws.uniform(*area_range)
        aspect = math.exp(draws.uniform(math.log(aspect_range[0]), math.log(aspect_range[1])))
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if h < height and w < width:
            return draws.integers(height - h + 1), draws.integers(width - w + 1), h, w


def test_holes_are_distributed_as_torchvisions():
    image = np.zeros((60, 100, 3), np.uint8)
    ours = np.array([hole_of(erase(image, i, fill=9)['img'], 0) for i in range(1500)])
    draws = np.random.default_rng(0)
    theirs = np.array(
        [reference_hole(draws, 60, 100, (0.02, 0.33), (0.3, 3.3)) for _ in range(1500)]
    )
    for column in range(4):
        values = np.arange(101)
        shares = [np.searchsorted(np.sort(holes[:, column]), values) for holes in (ours, theirs)]
        # Kolmogorov-Smirnov, 1 in 1,000 by chance
        assert np.abs(shares[0] - shares[1]).max() / 1500 < 1.95 * math.sqrt(2 / 1500)


def test_prob_is_the_share_of_images():
    image = np.zeros((20, 20), np.uint8)
    np.random.seed(0)
    transform = RandomErasing(prob=0.3, fill=9)
    erased = [transform(dict(img=image))['img'].any() for _ in range(2000)]
    assert np.mean(erased) == pytest.approx(0.3, abs=0.035)


def test_a_number_is_in_pixel_units_and_a_colour_in_the_order_of_the_channels():
    image = np.zeros((20, 30, 3), np.uint8)
    assert set(np.unique(erase(image, fill=9)['img'])) == {0, 9}
    erased = erase(image, fill=(104, 116.4, 123.7))['img']
    assert {tuple(pixel) for pixel in erased.reshape(-1, 3)} == {(0, 0, 0), (104, 116, 124)}


def test_the_mean_in_the_docstring_is_what_normalisation_makes_0():
    erased = erase(np.full((20, 30, 3), 255, np.uint8), fill=(104, 116, 124))['img']
    normalise = SegDataPreProcessor(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    )
    batch = dict(inputs=[torch.from_numpy(erased.transpose(2, 0, 1).copy())])
    values = normalise(batch)['inputs'][0].permute(1, 2, 0).numpy()
    # 255 is above 2 of these units
    assert np.abs(values[values.max(-1) < 1]).max() < 0.01


def test_the_mean_is_that_of_the_whole_image():
    image = np.random.default_rng(0).integers(0, 100, (20, 30, 3)).astype(np.uint8)
    image[..., 2] += 100
    erased = erase(image, fill='mean', area_range=(1, 1), aspect_range=(0.67, 0.67))['img']
    expected = np.round(image.mean((0, 1)))
    assert (erased == expected).all(-1).mean() > 0.9


def test_noise_is_uniform_over_pixels_and_channels():
    erased = erase(np.zeros((200, 200, 3), np.uint8), fill='noise', area_range=(0.9, 0.9))['img']
    noise = erased[erased.any(-1)]
    counts = np.bincount(noise.ravel(), minlength=256) / noise.size * 256
    assert np.abs(counts - 1).max() < 0.2
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.02


def test_pixels_are_another_region_of_the_image():
    # each value tells its place
    image = np.arange(14 * 18, dtype=np.uint8).reshape(14, 18)
    moved = set()
    for seed in range(20):
        erased = erase(image, seed, fill='pixels', seg_fill=255)
        hole = erased['gt_seg_map'] == 255
        shift = erased['img'][hole].astype(int) - image[hole]
        assert (shift == shift[0]).all()
        assert (erased['img'][~hole] == image[~hole]).all()
        moved.add(int(shift[0]))
    assert len(moved) > 10


@pytest.mark.parametrize('seg_fill', [None, 255, 0])
def test_labels_under_the_hole_are_kept_or_replaced(seg_fill):
    results = erase(np.zeros((20, 30, 3), np.uint8), fill=9, seg_fill=seg_fill, num_holes=3)
    hole = results['img'].any(-1)
    assert 0 < hole.mean() < 1
    assert (results['gt_seg_map'][~hole] == 1).all()
    assert (results['gt_seg_map'][hole] == (1 if seg_fill is None else seg_fill)).all()


def test_many_small_holes():
    image = np.zeros((200, 200), np.uint8)
    settings = dict(area_range=(0.0009, 0.0009), aspect_range=(1, 1), fill=9)
    areas = {
        int((erase(image, seed, num_holes=(2, 4), **settings)['img'] == 9).sum())
        for seed in range(60)
    }
    # 6 x 6 each; now and then two overlap
    assert {72, 108, 144} <= areas
    assert max(areas) == 144


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_a_hole_that_never_fits_is_clipped(shape):
    image = np.zeros(shape, np.uint8)
    for seed in range(50):
        erased = erase(image, seed, fill=9, area_range=(0.9, 1))['img']
        assert erased.shape == shape and erased.any()


def test_a_hole_has_a_pixel_at_least_and_may_lie_anywhere():
    image, covered = np.zeros((4, 6), np.uint8), np.zeros((4, 6), int)
    for seed in range(300):
        erased = erase(image, seed, fill=9, area_range=(0.001, 0.001))['img']
        assert (erased == 9).sum() == 1
        covered += erased == 9
    assert covered.min() > 0


def test_deferred_colours_would_distort_the_fill():
    sample = dict(img=np.zeros((8, 8, 3), np.uint8), on_device=dict(colour=object()))
    with pytest.raises(ValueError, match=r'RandomErasing.*before.*on_device=False'):
        RandomErasing()(sample)
    sample['on_device'] = dict(flip='horizontal')
    RandomErasing()(sample)


@pytest.mark.parametrize(
    'settings',
    [
        dict(prob=0),
        dict(prob=1.5),
        dict(area_range=(0, 0.3)),
        dict(area_range=(0.3, 0.2)),
        dict(area_range=(0.1, 1.2)),
        dict(area_range=(float('nan'), 0.2)),
        dict(aspect_range=(0, 1)),
        dict(aspect_range=(1, 2, 3)),
        dict(num_holes=0),
        dict(num_holes=(0, 0)),
        dict(num_holes=(3, 2)),
        dict(num_holes=1.5),
        dict(fill='random'),
        dict(fill=256),
        dict(fill=(1, 2)),
        dict(fill=(0.485, 0.456, 0.406)),
        dict(seg_fill=256),
        dict(seg_fill=-1),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings):
    [name] = settings
    with pytest.raises(ValueError, match=f'^{name}'):
        RandomErasing(**settings)


def test_whole_numbers_and_sequences_of_numpy_are_taken():
    image = np.zeros((20, 30, 3), np.uint8)
    plain = erase(image, num_holes=2, fill=(1, 2, 3))['img']
    fill = np.array([1, 2, 3])
    assert np.array_equal(erase(image, num_holes=np.int64(2), fill=fill)['img'], plain)
    ranges = [erase(image, num_holes=pair, fill=9)['img'] for pair in ((1, 3), np.array([1, 3]))]
    assert np.array_equal(*ranges)
    with pytest.raises(ValueError, match='num_holes is a whole number'):
        RandomErasing(num_holes=np.array([1.0, 2.0]))


def test_images_that_do_not_fit_are_named():
    with pytest.raises(UsageError, match=r'RandomErasing: b\.jpg is float32'):
        RandomErasing()(dict(img=np.zeros((8, 8, 3), np.float32), img_path='b.jpg'))
    with pytest.raises(UsageError, match=r'RandomErasing.*\(8, 8, 5\)'):
        RandomErasing()(dict(img=np.zeros((8, 8, 5), np.uint8)))
    with pytest.raises(ValueError, match=r'RandomErasing: fill=\(1, 2, 3\) has 3 .* the image 1'):
        erase(np.zeros((8, 8), np.uint8), fill=(1, 2, 3))
