import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.evaluation import IoUMetric
from PIL import Image

from mmseg_ext.metrics.colour_baseline import (
    build_datasets,
    class_colours,
    colour_baseline,
    leaf_datasets,
    load_samples,
    nearest_class,
)
from mmseg_ext.prepare.demo import write_demo

RED, DIM, BLUE = (200, 0, 0), (100, 0, 0), (0, 0, 90)


def sample(colours, labels):
    """One row of pixels."""
    return np.array([colours], np.uint8), np.array([labels], np.uint8)


def test_a_case_counted_by_hand():
    train = [
        sample([RED, DIM, BLUE, BLUE], [0, 0, 1, 255]),
        sample([(0, 0, 110), BLUE, RED], [1, 1, 255]),
    ]
    val = [
        sample([RED, DIM, BLUE, BLUE, RED], [0, 1, 1, 2, 255]),
        sample([BLUE, BLUE], [1, 0]),
    ]
    result = colour_baseline(train, val, num_classes=4)
    np.testing.assert_allclose(result.class_colours[:2], [(150, 0, 0), (0, 0, 290 / 3)])
    assert np.isnan(result.class_colours[2:]).all()
    # nearest: predicted 0 0 1 1 | 1 1, true 0 1 1 2 | 1 0
    assert result.nearest.iou[:3] == pytest.approx([100 / 3, 100 * 2 / 5, 0])
    assert np.isnan(result.nearest.iou[3])
    assert result.nearest.mIoU == pytest.approx(100 * (1 / 3 + 2 / 5) / 3)
    assert result.nearest.aAcc == pytest.approx(50)
    # most training pixels: class 1 (3 of 5), right in 3 of 6
    assert result.majority_class == 1
    assert result.majority.iou[:3] == pytest.approx([0, 50, 0])
    assert result.floor == pytest.approx(100 * (1 / 3 + 2 / 5) / 3)


def test_equals_the_stock_metric_on_random_labels():
    rng = np.random.default_rng(0)
    samples = [
        (rng.integers(0, 256, (9, 7, 3), np.uint8), rng.choice([0, 1, 2, 255], (9, 7)))
        for _ in range(4)
    ]
    result = colour_baseline(samples[:2], samples[2:], num_classes=3)
    counts = [
        IoUMetric.intersect_and_union(
            torch.from_numpy(nearest_class(image, result.class_colours)),
            torch.from_numpy(label),
            3,
            255,
        )
        for image, label in samples[2:]
    ]
    stock = IoUMetric.total_area_to_metrics(*(sum(c) for c in zip(*counts, strict=True)), ['mIoU'])
    np.testing.assert_allclose(result.nearest.iou, 100 * stock['IoU'], rtol=1e-6)
    assert result.nearest.aAcc == pytest.approx(100 * float(stock['aAcc']), rel=1e-6)


def test_nearest_is_the_euclidean_one():
    rng = np.random.default_rng(1)
    image, colours = rng.integers(0, 256, (5, 6, 3), np.uint8), rng.uniform(0, 255, (8, 3))
    colours[3] = np.nan
    distance = np.linalg.norm(image[..., None, :] - colours, axis=-1)
    assert (nearest_class(image, colours) == np.nanargmin(distance, -1)).all()


def test_reads_a_concatenation_as_rgb_without_augmentation(tmp_path):
    init_default_scope('mmseg')
    write_demo(tmp_path / 'demo', num_train=20, num_aug=1, num_val=20)
    part = dict(
        type='PascalVOCDataset',
        data_root=str(tmp_path / 'demo/VOCdevkit/VOC2012'),
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=[dict(type='RandomCrop', crop_size=(8, 8))],
    )
    parts = [dict(part, ann_file=f'ImageSets/Segmentation/{s}.txt') for s in ('train', 'val')]
    cfg = dict(type='RepeatDataset', times=3, dataset=dict(type='ConcatDataset', datasets=parts))
    datasets = build_datasets(cfg)
    assert [len(dataset) for dataset in datasets] == [20, 20]
    assert parts[0]['pipeline'] == part['pipeline']

    image, label = next(load_samples(datasets))
    first = datasets[0].get_data_info(0)
    decoded = np.array(Image.open(first['img_path'])).astype(int)
    assert image.shape == decoded.shape and image.shape[:2] == label.shape
    # two JPEG decoders may round differently, but red is red
    assert abs(image - decoded).mean() < 1
    assert len(list(load_samples(datasets, max_images=7))) == 7

    result = colour_baseline(load_samples(datasets[:1]), load_samples(datasets[1:]), 21)
    assert result.majority_class == 0
    assert result.floor < 12


def test_leaves_of_a_plain_dataset():
    leaf = dict(type='PascalVOCDataset', pipeline=[dict(type='RandomFlip')])
    (found,) = leaf_datasets(leaf)
    assert [step['type'] for step in found['pipeline']] == ['LoadImageFromFile', 'LoadAnnotations']


def test_bad_input_is_named():
    with pytest.raises(ValueError, match='label 7 for 4 classes'):
        class_colours([sample([RED], [7])], num_classes=4)
    with pytest.raises(ValueError, match='no pixel with a class'):
        class_colours([sample([RED], [255])], num_classes=4)
    with pytest.raises(ValueError, match='validation set has no pixel'):
        colour_baseline([sample([RED], [0])], [sample([RED], [255])], num_classes=4)
    with pytest.raises(ValueError, match='max_images=0'):
        list(load_samples([], max_images=0))
