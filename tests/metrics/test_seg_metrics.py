import itertools

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.metrics import SegMetrics
from mmseg_ext.metrics.functional import class_scores, confusion_matrix, mean_scores

CLASSES = ('road', 'car', 'sky', 'never', 'missed', 'invented')


def make_sample(prediction, truth, **meta):
    data = (torch.as_tensor(np.array(array))[None] for array in (prediction, truth))
    prediction, truth = data
    return dict(pred_sem_seg=dict(data=prediction), gt_sem_seg=dict(data=truth), **meta)


def make_samples(seed=0, sizes=((20, 30), (7, 9))):
    """Random ones: class 3 occurs nowhere, 4 in the truth alone, 5 in the prediction alone."""
    rng = np.random.default_rng(seed)
    samples = []
    for size in sizes:
        truth = rng.choice([0, 1, 2, 4], size)
        guess = rng.choice([0, 1, 2, 5], size)
        prediction = np.where((rng.random(size) < 0.7) & (truth != 4), truth, guess)
        truth[0] = 255
        samples.append(make_sample(prediction, truth))
    return samples


def evaluate(metric, samples, size=None):
    MMLogger.get_instance('test_seg_metrics')
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    return metric.evaluate(len(samples) if size is None else size)


@pytest.fixture
def tables(monkeypatch):
    """What metrics print, in the order of their evaluations."""
    said = []
    for module in ('mmseg.evaluation.metrics.iou_metric', 'mmseg_ext.metrics.seg_metrics'):
        monkeypatch.setattr(f'{module}.print_log', lambda text, *args, **kwargs: said.append(text))
    return said


NAMES = ('mIoU', 'mDice', 'mFscore')
CHOICES = [list(names) for count in (1, 2, 3) for names in itertools.permutations(NAMES, count)]


@pytest.mark.parametrize('settings', [{}, dict(nan_to_num=-1), dict(beta=2), dict(nan_to_num=0)])
def test_prints_and_returns_what_the_stock_metric_does(tables, settings):
    for seed, names in enumerate(CHOICES):
        samples = make_samples(seed)
        stock = evaluate(IoUMetric(iou_metrics=names, **settings), samples)
        ours = evaluate(SegMetrics(iou_metrics=names, **settings), samples)
        assert list(ours) == list(stock)
        assert {name: f'{value:.2f}' for name, value in ours.items()} == {
            name: f'{value:.2f}' for name, value in stock.items()
        }
        _, stock_table, our_table = tables
        assert our_table.splitlines()[1:] == stock_table.splitlines()[1:]
        tables.clear()


def test_values_by_hand():
    metric = SegMetrics()
    first = make_sample([[0, 0, 1, 1, 2]], [[0, 0, 0, 1, 255]])
    second = make_sample([[0, 2]], [[0, 0]])
    summary = evaluate(metric, [first, second])
    assert metric.confusion[:3, :3].tolist() == [[3, 1, 1], [0, 1, 0], [0, 0, 0]]
    assert metric.confusion.sum() == 6 and metric.confusion.dtype == torch.int64
    scores = {name: list(values.values()) for name, values in metric.per_class.items()}
    assert scores['IoU'][:3] == pytest.approx([3 / 5, 1 / 2, 0])
    assert scores['Acc'][:2] == scores['Recall'][:2] == pytest.approx([3 / 5, 1])
    assert scores['Precision'][:3] == pytest.approx([1, 1 / 2, 0])
    assert scores['Dice'][:3] == pytest.approx([6 / 8, 2 / 3, 0])
    assert scores['Fscore'][:2] == pytest.approx([6 / 8, 2 / 3])
    assert all(np.isnan(scores[name][3:]).all() for name in scores)
    assert metric.means == pytest.approx(
        dict(
            aAcc=100 * 4 / 6,
            mIoU=100 * (3 / 5 + 1 / 2) / 3,
            mAcc=80,
            mDice=100 * (6 / 8 + 2 / 3) / 3,
            mFscore=100 * (6 / 8 + 2 / 3) / 2,
            mPrecision=50,
            mRecall=80,
            fwIoU=100 * (5 / 6 * 3 / 5 + 1 / 6 * 1 / 2),
            classes_present=3,
            classes_absent=3,
            # first image: 2/3 and 1/2, second: 1/2 and 0
            mIoU_per_image=100 * (7 / 12 + 1 / 4) / 2,
        )
    )
    assert summary == dict(aAcc=66.67, mIoU=36.67, mAcc=80.0)


def test_files_hold_nan_whatever_stands_for_it_in_print():
    metric = SegMetrics(nan_to_num=0)
    summary = evaluate(metric, make_samples())
    assert summary['mIoU'] < metric.means['mIoU']
    assert np.isnan(metric.per_class['IoU']['never'])


def test_chosen_classes_alone():
    samples, metric = make_samples(), SegMetrics(iou_metrics=NAMES, classes=('sky', 'road'))
    whole = SegMetrics()
    evaluate(whole, samples)
    summary = evaluate(metric, samples)
    iou = whole.per_class['IoU']
    assert metric.per_class['IoU'] == pytest.approx(iou, nan_ok=True)
    assert metric.means['mIoU'] == pytest.approx(50 * (iou['sky'] + iou['road']))
    assert summary['mIoU'] == round(metric.means['mIoU'], 2)
    right, true = whole.confusion.diag()[[0, 2]].sum(), whole.confusion.sum(1)[[0, 2]].sum()
    assert metric.means['aAcc'] == pytest.approx(float(100 * right / true))
    assert metric.means['classes_present'] == 2 and metric.means['classes_absent'] == 0
    assert metric.means['mIoU_per_image'] != pytest.approx(whole.means['mIoU_per_image'])


def test_no_chosen_class_is_all_of_them():
    assert evaluate(SegMetrics(classes=[]), make_samples()) == evaluate(
        SegMetrics(), make_samples()
    )


def test_a_class_that_there_is_not():
    with pytest.raises(UsageError, match="no class 'raod'; did you mean road"):
        evaluate(SegMetrics(classes=['raod']), make_samples())


def test_counts_are_exact_where_float32_is_not():
    pixels = 2**24 + 1
    label = torch.zeros(1, pixels, dtype=torch.uint8)
    counts = confusion_matrix(label, label, 2)
    assert counts.tolist() == [[pixels, 0], [0, 0]]
    counts[1, 0] = 1
    shares = class_scores(counts)
    assert shares['IoU'][0] == pixels / (pixels + 1) < 1
    assert mean_scores(counts)['aAcc'] < 100


@pytest.mark.parametrize(('dtype', 'ignore_index'), [(torch.uint8, 255), (torch.int64, -100)])
def test_the_matrix_equals_a_count_pixel_by_pixel(dtype, ignore_index):
    generator = torch.Generator().manual_seed(0)
    true, predicted = torch.randint(0, 4, (2, 9, 11), generator=generator)
    true[2:4] = ignore_index
    predicted[3] = 200  # of pixels that do not count
    wanted = torch.zeros(4, 4, dtype=torch.int64)
    for row, column in zip(true.flatten().tolist(), predicted.flatten().tolist(), strict=True):
        if row != ignore_index:
            wanted[row, column] += 1
    label, before = true.to(dtype), true.clone()
    counts = confusion_matrix(predicted.int(), label, 4, ignore_index)
    assert torch.equal(counts, wanted) and torch.equal(label.long(), before)


def test_no_valid_pixel():
    metric = SegMetrics()
    summary = evaluate(metric, [make_sample([[1, 2]], [[255, 255]])])
    assert np.isnan(summary['mIoU']) and np.isnan(metric.means['mIoU_per_image'])
    assert metric.means['classes_absent'] == 6


def test_each_evaluation_starts_anew():
    metric, samples = SegMetrics(), make_samples()
    assert evaluate(metric, samples) == evaluate(metric, samples)


def test_images_that_were_not_evaluated_are_said(tables):
    evaluate(SegMetrics(), make_samples(), size=5)
    assert tables[0] == 'SegMetrics counted 2 images; the data set has 5'


def test_output_dir_and_format_only(tmp_path):
    from mmcv import imread

    sample = make_sample([[0, 5]], [[0, 0]], img_path='x/a.b.jpg')
    del sample['gt_sem_seg']
    metric = SegMetrics(output_dir=str(tmp_path / 'out'), format_only=True)
    metric.dataset_meta = dict(classes=tuple('abcdef'), reduce_zero_label=True)
    metric.process({}, [sample])
    assert metric.evaluate(1) == {}
    assert imread(tmp_path / 'out/a.b.png', 'unchanged').tolist() == [[1, 6]]


def test_a_prediction_of_another_size_is_named():
    sample = make_sample(np.zeros((2, 3), int), np.zeros((3, 2), int), img_path='a/b.jpg')
    with pytest.raises(
        UsageError, match=r'a/b.jpg: .* size \(2, 3\), the truth \(3, 2\); .*Resize'
    ):
        evaluate(SegMetrics(), [sample])


@pytest.mark.parametrize(
    ('predicted', 'true', 'said'),
    [
        (7, 0, 'labels up to 0 and predictions up to 7 for 6 classes'),
        (0, 6, 'labels up to 6 and predictions up to 0 for 6 classes'),
        (0, -1, '.* for 6 classes, from -1 on'),
    ],
)
def test_what_lies_outside_the_classes_is_named(predicted, true, said):
    sample = make_sample([[predicted]], [[true]], img_path='b.jpg')
    with pytest.raises(UsageError, match=f'b.jpg: {said}.*num_classes'):
        evaluate(SegMetrics(), [sample])


def test_bad_settings(tables):
    with pytest.raises(UsageError, match='iou_metrics=IoU: there are mIoU, mDice, mFscore'):
        METRICS.build(dict(type='mmseg_ext.SegMetrics', iou_metrics=['IoU']))
    SegMetrics(collect_device='cpu')
    assert tables == ['SegMetrics: collect_device=cpu has no effect']


def test_what_the_stock_test_tool_sets_needs_no_word(tables, monkeypatch, tmp_path):
    monkeypatch.setattr(
        'mmengine.evaluator.metric.print_log', lambda text, *_, **__: tables.append(text)
    )
    settings = dict(output_dir=str(tmp_path), keep_results=True)
    metric = METRICS.build(dict(type='mmseg_ext.SegMetrics', **settings))
    assert tables == [] and metric.output_dir == str(tmp_path)
    assert SegMetrics(prefix='a').prefix == 'a'
