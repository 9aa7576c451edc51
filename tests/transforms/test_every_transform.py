"""What holds for every registered transform of single samples."""

import inspect
import pickle
import re

import numpy as np
import pytest

import mmseg_ext.transforms
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.registry import TRANSFORMS

# One or more working settings each, under which the transform always does something.
SETTINGS = {
    'AlignedResize': [
        dict(scale=(90, 70), size_divisor=16, interpolation='bicubic'),
        dict(scale_factor=(0.5, 1.5)),
    ],
    'ColorJitter': [
        dict(brightness=0.4, contrast=(0.5, 1.5), saturation=0.3, hue=0.1),
        dict(brightness=(1.2, 1.5), contrast=0.2),
    ],
    'GaussianBlur': [dict(prob=1, sigma=(0.5, 2.0)), dict(prob=1, sigma=(1.0, 2.0), kernel_size=5)],
    'PhotoMetricDistortion': [
        dict(brightness_delta=20, hue_delta=9),
        dict(contrast_range=(0.7, 1.4), saturation_range=(0.7, 1.4)),
    ],
    'RandomErasing': [
        dict(prob=1, fill='noise', num_holes=(2, 5), seg_fill=255),
        dict(prob=1, fill='mean'),
        dict(prob=1, fill='pixels'),
        dict(prob=1, fill=7, area_range=(0.1, 0.2), aspect_range=(0.5, 2.0)),
        dict(prob=1, fill=(7, 8, 9)),
    ],
    'RandomFlip': [dict(prob=1.0), dict(prob=[0.5, 0.5], direction=['vertical', 'diagonal'])],
    'RandomResizeCrop': [
        dict(crop_size=(20, 30), scale=(96, 64), ratio_range=(0.5, 2.0), cat_max_ratio=0.75),
        dict(crop_size=(50, 70), scale=(30, 90), keep_ratio=False, pad_val=8, seg_pad_val=9),
    ],
    'RandomRotate': [
        dict(prob=1, degree=(10, 20), pad_val=30),
        dict(prob=1, degree=(10, 20), pad_val=(1, 2, 3), seg_pad_val=9, center=(5.0, 3.0)),
        dict(prob=1, degree=(10, 20), auto_bound=True),
    ],
    'VerifyShapes': [dict(channels=3), dict(channels=None)],
}
EXCLUDED = {
    'CopyPaste': 'not of single samples',
    'CutMix': 'not of single samples',
    'LoadAnnotations': 'loads files',
    'LoadImageFromFile': 'loads files',
    'MixUp': 'not of single samples',
    'PackSegInputs': 'makes tensors',
}
UNCHANGING = {'VerifyShapes'}
NAMES = sorted(set(TRANSFORMS.module_dict) - set(EXCLUDED))
CASES = [
    pytest.param(name, settings, id=f'{name}-{index}')
    for name in NAMES
    for index, settings in enumerate(SETTINGS.get(name, []))
]

every_case = pytest.mark.parametrize(('name', 'settings'), CASES)


def build(name, settings):
    return TRANSFORMS.build(dict(type=f'mmseg_ext.{name}', **settings))


def make_sample(*channels, seed=0):
    """An image of coarse noise with two label maps; the arrays are read-only."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (12, 16, *channels), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    sample = dict(
        img=image,
        gt_seg_map=rng.integers(0, 5, (48, 64), dtype=np.uint8),
        gt_other_map=rng.integers(0, 3, (48, 64), dtype=np.uint8),
        seg_fields=['gt_seg_map', 'gt_other_map'],
        img_path='a.jpg',
        seg_map_path='a.png',
        img_shape=(48, 64),
        ori_shape=(48, 64),
    )
    for value in sample.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return sample


def apply(transform, sample, seed=0):
    np.random.seed(seed)
    return transform(dict(sample))


def assert_same(results, others):
    assert results.keys() == others.keys()
    for key, value in results.items():
        np.testing.assert_array_equal(value, others[key], err_msg=key)


def test_the_table_knows_each_registered_transform_and_each_is_exported():
    assert set(NAMES) == set(SETTINGS)
    assert set(TRANSFORMS.module_dict) <= set(mmseg_ext.transforms.__all__)


@pytest.mark.parametrize('name', NAMES)
def test_the_docstring_names_the_keys_and_each_setting(name):
    kind = TRANSFORMS.get(f'mmseg_ext.{name}')
    doc = inspect.getdoc(kind)
    assert 'Required Keys:' in doc and re.search(r'(Modified|Added) Keys:', doc)
    for setting in inspect.signature(kind).parameters:
        assert re.search(rf'^    {setting}: ', doc, re.M), setting


@every_case
def test_the_repr_shows_each_setting(name, settings):
    transform = build(name, settings)
    said = repr(transform)
    assert said.startswith(f'{name}(') and said.endswith(')')
    for setting in inspect.signature(type(transform)).parameters:
        assert re.search(rf'\b{setting}=', said), setting
    for setting, value in settings.items():
        assert f'{setting}={value!r}' in said, setting


@every_case
def test_it_does_something_and_a_seed_decides_what(name, settings):
    transform, sample = build(name, settings), make_sample(3)
    results = apply(transform, sample)
    assert_same(results, apply(transform, sample))
    assert_same(results, apply(pickle.loads(pickle.dumps(transform)), sample))
    changed = not np.array_equal(results['img'], sample['img'])
    assert changed == (name not in UNCHANGING)


@every_case
def test_the_arrays_that_it_gets_stay_as_they_are(name, settings):
    transform, before = build(name, settings), make_sample(3)
    sample = make_sample(3)
    for value in sample.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = True
    for seed in range(5):
        apply(transform, sample, seed)
        assert_same(sample, before)


@every_case
@pytest.mark.parametrize('channels', [(3,), (), (1,), (4,)], ids=str)
def test_images_of_each_kind_are_taken_or_refused_by_name(name, settings, channels):
    transform, sample = build(name, settings), make_sample(*channels)
    try:
        results = apply(transform, sample)
    except (UsageError, ValueError) as error:
        assert channels != (3,)
        assert name in str(error)
        return
    image = results['img']
    assert image.dtype == np.uint8
    assert (image.shape[2:] or (1,)) == (channels or (1,))
    assert results['img_shape'] == image.shape[:2]
    for key in sample['seg_fields']:
        assert results[key].dtype == np.uint8
        assert results[key].shape == image.shape[:2]


@every_case
def test_it_works_without_labels_and_makes_no_new_ones(name, settings):
    transform, sample = build(name, settings), make_sample(3)
    results = apply(transform, sample)
    for key in sample['seg_fields']:
        padding = {255, settings.get('seg_pad_val', 255)}
        assert set(np.unique(results[key])) <= set(np.unique(sample[key])) | padding
    bare = dict(img=sample['img'], img_shape=(48, 64), seg_fields=[])
    np.testing.assert_array_equal(apply(transform, bare)['img'], results['img'])
