import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric

from mmseg_ext.metrics import SegMetrics

CLASSES = ('road', 'car', 'sky', 'never')


def make_samples(seed=0, sizes=((20, 30), (7, 9))):
    rng = np.random.default_rng(seed)
    samples = []
    for size in sizes:
        truth = rng.integers(0, 3, size)
        truth[0] = 255
        prediction = np.where(rng.random(size) < 0.7, truth % 255, rng.integers(0, 3, size))
        samples.append(
            dict(
                pred_sem_seg=dict(data=torch.from_numpy(prediction)[None]),
                gt_sem_seg=dict(data=torch.from_numpy(truth)[None]),
            )
        )
    return samples


def evaluate(metric, samples):
    MMLogger.get_instance('test_seg_metrics')
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('names', [['mIoU'], ['mIoU', 'mDice', 'mFscore']])
def test_prints_what_the_stock_metric_prints(names):
    samples = make_samples()
    stock = evaluate(IoUMetric(iou_metrics=names), samples)
    assert evaluate(SegMetrics(iou_metrics=names), samples) == pytest.approx(stock, abs=1e-5)


def test_per_class_values_by_hand():
    truth = torch.tensor([[0, 0, 0, 1, 255]])
    prediction = torch.tensor([[0, 0, 1, 1, 2]])
    metric = SegMetrics()
    sample = dict(pred_sem_seg=dict(data=prediction), gt_sem_seg=dict(data=truth))
    summary = evaluate(metric, [sample])
    iou = metric.per_class['IoU']
    assert iou['road'] == pytest.approx(2 / 3) and iou['car'] == pytest.approx(1 / 2)
    assert np.isnan(iou['sky']) and np.isnan(iou['never'])
    assert summary['mIoU'] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2, abs=0.005)
    assert metric.per_class['Acc']['road'] == pytest.approx(2 / 3)


def test_counts_are_exact_where_float32_is_not():
    pixels = 2**24 + 1
    label = torch.zeros(1, pixels, dtype=torch.uint8)
    counts = SegMetrics.intersect_and_union(label, label, 2, 255)
    assert [int(part[0]) for part in counts] == [pixels] * 4


def test_a_prediction_of_another_size_is_named():
    with pytest.raises(ValueError, match=r'size \(2, 3\), the truth \(3, 2\)'):
        SegMetrics.intersect_and_union(torch.zeros(2, 3).long(), torch.zeros(3, 2).long(), 2, 255)


def test_a_label_outside_the_classes_is_named():
    with pytest.raises(ValueError, match='labels up to 7 .* for 4 classes'):
        label = torch.full((2, 2), 7)
        SegMetrics.intersect_and_union(torch.zeros(2, 2).long(), label, 4, 255)
