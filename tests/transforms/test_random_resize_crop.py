"""RandomResizeCrop beside RandomResize + RandomCrop + Pad of MMSegmentation."""

import cv2
import numpy as np
import pytest
from chains import compose, make_sample, run_seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mmseg_ext.transforms import RandomResizeCrop
from mmseg_ext.transforms.class_share import is_mixed
from mmseg_ext.transforms.window import NearestResize, resize_window

SCALE, RATIOS, CROP = (256, 96), (0.5, 2.0), (64, 80)


def stock_chain(**crop):
    return compose(
        dict(type='RandomResize', scale=SCALE, ratio_range=RATIOS, keep_ratio=True),
        dict(type='RandomCrop', crop_size=CROP, **crop),
    )


def fast_chain(**settings):
    return RandomResizeCrop(CROP, SCALE, RATIOS, **settings)


@pytest.mark.parametrize('cat_max_ratio', [1.0, 0.75, 0.4])
@pytest.mark.parametrize('size', [(96, 130), (130, 96), (64, 80), (31, 200), (200, 31)])
def test_one_seed_gives_the_stock_window(size, cat_max_ratio):
    sample = make_sample(*size)
    stock = stock_chain(cat_max_ratio=cat_max_ratio)
    fast = fast_chain(cat_max_ratio=cat_max_ratio)
    for seed in range(30):
        theirs, ours = run_seeded(stock, sample, seed), run_seeded(fast, sample, seed)
        np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])
        assert ours['img'].shape == theirs['img'].shape
        inner = (slice(1, -1), slice(1, -1))
        difference = cv2.absdiff(ours['img'][inner], theirs['img'][inner])
        assert difference.mean() < 2
        assert np.quantile(difference, 0.999) <= 12
        for key in ('scale', 'scale_factor', 'keep_ratio', 'img_shape'):
            assert ours[key] == theirs[key], key


def test_other_settings_of_the_stock_chain():
    sample = make_sample()
    pairs = [
        # CamVid's: one size, distorted, then a crop
        (
            [dict(type='Resize', scale=(110, 90)), dict(type='RandomCrop', crop_size=CROP)],
            RandomResizeCrop(CROP, (110, 90), keep_ratio=False),
        ),
        (
            [
                dict(type='RandomResize', scale=[(256, 60), (256, 120)], keep_ratio=True),
                dict(type='RandomCrop', crop_size=CROP),
                dict(type='Pad', size=CROP[::-1], pad_val=dict(img=128, seg=255)),
            ],
            RandomResizeCrop(CROP, [(256, 60), (256, 120)], pad_val=128),
        ),
        (
            [
                dict(type='RandomResize', scale=SCALE, ratio_range=(0.3, 1.0), keep_ratio=True),
                dict(type='RandomCrop', crop_size=CROP),
                dict(type='Pad', size=CROP[::-1], pad_val=dict(img=(1, 99, 200), seg=9)),
            ],
            RandomResizeCrop(CROP, SCALE, (0.3, 1.0), pad_val=[1, 99, 200], seg_pad_val=9),
        ),
        ([dict(type='RandomCrop', crop_size=CROP)], RandomResizeCrop(CROP)),
    ]
    for steps, fast in pairs:
        stock = compose(*steps)
        for seed in range(10):
            theirs, ours = run_seeded(stock, sample, seed), run_seeded(fast, sample, seed)
            np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])
            assert ours['img_shape'] == theirs['img_shape']
            difference = cv2.absdiff(ours['img'], theirs['img'])
            assert difference.mean() < 2
            # the padding, which is whole rows or columns, is the same
            padded = ours['gt_seg_map'] == fast.seg_pad_val
            assert difference[padded.all(1)].max(initial=0) == 0
            assert difference[:, padded.all(0)].max(initial=0) == 0


@pytest.mark.slow
def test_twenty_thousand_draws_are_distributed_as_the_stock_ones():
    """Under other seeds, so that the distributions are compared and not the draws."""
    sample = make_sample(48, 64)
    # places in the picture, to see afterwards which window was taken
    y, x = np.mgrid[:48, :64].astype(np.float32)
    sample['img'] = np.dstack([y, x, y]).astype(np.uint8)

    def draw(chain, seed, number=20_000):
        np.random.seed(seed)
        rows = []
        for _ in range(number):
            out = chain(dict(sample))
            label = out['gt_seg_map']
            share = (label == 0).sum() / max((label != 255).sum(), 1)
            top, left = out['img'][0, 0, :2]
            rows.append((out['scale_factor'][0], top, left, share))
        return np.array(rows).T

    crop = dict(crop_size=(32, 32), cat_max_ratio=0.6)
    scale = dict(scale=(128, 40), ratio_range=RATIOS)
    stock = compose(
        dict(type='RandomResize', **scale, keep_ratio=True), dict(type='RandomCrop', **crop)
    )
    names = 'scale', 'top', 'left', 'class share'
    theirs, ours = draw(stock, 1), draw(RandomResizeCrop(**crop, **scale), 2)
    distances = {
        name: ks_2samp(a, b).statistic for name, a, b in zip(names, theirs, ours, strict=True)
    }
    assert max(distances.values()) <= 0.02, distances
    # the test can tell: without cat_max_ratio the class shares are others
    crop.pop('cat_max_ratio')
    free = draw(RandomResizeCrop(**crop, **scale), 3, 2_000)
    assert ks_2samp(theirs[3], free[3]).statistic > 0.1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_window_is_that_of_the_resized_image(data):
    height, width = data.draw(st.integers(8, 90)), data.draw(st.integers(8, 90))
    size = data.draw(st.integers(4, 200)), data.draw(st.integers(4, 200))
    shape = data.draw(st.integers(1, size[1])), data.draw(st.integers(1, size[0]))
    offset = tuple(
        data.draw(st.integers(0, whole - part))
        for whole, part in zip(size[::-1], shape, strict=True)
    )
    image = make_sample(height, width)['img']
    whole = cv2.resize(image, size)
    rows, columns = (slice(o, o + s) for o, s in zip(offset, shape, strict=True))
    window = resize_window(image, size, offset, shape)
    assert window.shape == (*shape, 3)
    # half a pixel of misalignment would change this picture, which has noise, by 5 and more
    assert cv2.absdiff(window, np.ascontiguousarray(whole[rows, columns])).mean() < 2


def test_only_the_window_is_resized(monkeypatch):
    seen = []
    resize = cv2.resize
    monkeypatch.setattr(
        cv2, 'resize', lambda image, *a, **k: seen.append(image.shape) or resize(image, *a, **k)
    )
    resize_window(make_sample(512, 640)['img'], (1920, 1536), (700, 900), (128, 128))
    ((height, width, _),) = seen
    assert height < 128 / 3 + 40
    assert width < 128 / 3 + 40


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_window_of_labels_is_exactly_that_of_the_resized_labels(data):
    height, width = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    size = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    offset = data.draw(st.integers(0, size[1] - 1)), data.draw(st.integers(0, size[0] - 1))
    shape = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    label = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    label.flags.writeable = False
    whole = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
    rows, columns = (slice(o, o + s) for o, s in zip(offset, shape, strict=True))
    labels = NearestResize((height, width), size)
    np.testing.assert_array_equal(labels.window(label, offset, shape), whole[rows, columns])
    wide = labels.window(label.astype(np.int64), offset, shape)
    np.testing.assert_array_equal(wide, whole[rows, columns])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_window_is_taken_or_drawn_again_as_in_stock(data):
    """On labels of few pixels and of classes that no eighth row shows."""
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    share = data.draw(st.sampled_from([0.0, 0.2, 0.5, 0.75, 0.9, 1.0]))
    ratio = data.draw(st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.99]))
    label = np.where(
        rng.random((height, width)) < share,
        rng.choice([0, 255]),
        rng.integers(0, 4, (height, width)),
    ).astype(np.uint8)
    if data.draw(st.booleans()):
        label[::8, ::8] = 255
    classes, counts = np.unique(label, return_counts=True)
    counts = counts[classes != 255]
    stock = len(counts) > 1 and np.max(counts) / np.sum(counts) < ratio
    assert is_mixed(label, ratio, 255) == stock


def test_labels_of_other_types_and_channels():
    sample = make_sample(channels=4)
    sample['gt_seg_map'] = sample['gt_seg_map'].astype(np.int32)
    sample['gt_seg_map'][sample['gt_seg_map'] == 255] = -1
    settings = dict(cat_max_ratio=0.5, ignore_index=-1)
    theirs = run_seeded(stock_chain(**settings), sample, 3)
    ours = run_seeded(fast_chain(**settings), sample, 3)
    np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])
    assert ours['gt_seg_map'].dtype == np.int32
    grey = make_sample()
    grey['img'] = grey['img'][..., 0]
    assert run_seeded(fast_chain(), grey)['img'].ndim == 2


@pytest.mark.parametrize(
    'wrong, said',
    [
        (dict(crop_size=0), 'crop_size'),
        (dict(crop_size=(4, 4, 4)), 'crop_size'),
        (dict(crop_size=4, ratio_range=(0.5, 2)), 'ratio_range'),
        (dict(crop_size=4, scale=(9, 9), ratio_range=(2, 0.5)), 'ratio_range'),
        (dict(crop_size=4, scale=[(9, 9), (8, 8)], ratio_range=(0.5, 2)), 'ratio_range'),
        (dict(crop_size=4, scale=(9, 9, 9)), 'scale'),
        (dict(crop_size=4, scale=(9.5, 9)), 'scale'),
        (dict(crop_size=4, pad_val=dict(img=0, seg=255)), 'seg_pad_val'),
        (dict(crop_size=4, scale=[(9, 9)]), 'scale'),
        (dict(crop_size=4, cat_max_ratio=75), 'cat_max_ratio'),
        (dict(crop_size=4, seg_pad_val=0), 'seg_pad_val'),
    ],
)
def test_wrong_settings_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        RandomResizeCrop(**wrong)


def test_settings_may_be_lists_and_numbers_of_numpy():
    plain = RandomResizeCrop((50, 50), (90, 60), (0.5, 2.0))
    for other in (
        RandomResizeCrop(np.int64(50), [90, np.int64(60)], [0.5, 2.0]),
        RandomResizeCrop([50, 50], (90, 60), (0.5, 2.0)),
    ):
        theirs, ours = run_seeded(plain, make_sample()), run_seeded(other, make_sample())
        np.testing.assert_array_equal(ours['img'], theirs['img'])
    square = RandomResizeCrop(500, 40)
    assert run_seeded(square, make_sample())['img_shape'] == (30, 40)


def test_a_scale_that_leaves_nothing_is_named():
    with pytest.raises(ValueError, match='image.jpg'):
        RandomResizeCrop(64, (10, 2), (0.01, 0.02))(make_sample())


def test_a_label_of_another_size_is_named():
    sample = make_sample()
    sample['gt_seg_map'] = sample['gt_seg_map'][:-1]
    with pytest.raises(ValueError, match='label.png.*image.jpg'):
        RandomResizeCrop(64)(sample)
