"""The scores of the organisers of ADE20K's scene parsing challenge, on their own sample.

Their evaluation (CSAILVision/sceneparsing, evaluationCode: pixelAccuracy.m, intersectionAndUnion.m,
demoEvaluation.m) reads files of labels 0 to 150, where 0 is "other", and is written out below.
"""

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.logging import MMLogger
from mmseg.datasets import ADE20KDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_ext.metrics import SegMetrics

SAMPLE = ROOT.parent / 'shared/data/ade20k/sample'
NAMES = [f'ADE_val_0000000{number}' for number in (1, 2, 3)]
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason='needs the sample of ADE20K')


def organisers(prediction, label):
    """Right pixels, pixels with truth, and intersection and union per class, (150,)."""
    right = np.sum((label > 0) & (prediction == label))
    prediction = prediction * (label > 0)
    of_class = [prediction == number for number in range(1, 151)]
    of_label = [label == number for number in range(1, 151)]
    overlap = np.array([np.sum(a & b) for a, b in zip(of_class, of_label, strict=True)])
    predicted, true = (np.array([np.sum(each) for each in part]) for part in (of_class, of_label))
    return right, np.sum(label > 0), overlap, predicted + true - overlap


def read(folder, name):
    return np.array(Image.open(SAMPLE / folder / f'{name}.png'))


def shifted(prediction):
    """The sample's predictions are the truth: another one, moved by a few pixels."""
    moved = np.roll(prediction, (7, 11), (0, 1))
    return np.where(moved == 0, prediction, moved)  # networks have no class "other"


def ours(names, change):
    """An evaluation of the files as our configs read them."""
    MMLogger.get_instance('test_ade20k_formula')
    metric, samples = SegMetrics(), []
    metric.dataset_meta = ADE20KDataset.METAINFO
    for name in names:
        info = dict(seg_map_path=str(SAMPLE / f'annotations/{name}.png'), seg_fields=[])
        label = LoadAnnotations()(dict(info, reduce_zero_label=True))
        prediction = torch.from_numpy(change(read('predictions', name)))[None] - 1
        truth = torch.from_numpy(label['gt_seg_map'])[None]
        samples.append(dict(pred_sem_seg=dict(data=prediction), gt_sem_seg=dict(data=truth)))
    metric.process({}, samples)
    metric.evaluate(len(names))
    return metric


@pytest.mark.parametrize('names', [*([name] for name in NAMES), NAMES], ids=lambda names: names[-1])
@pytest.mark.parametrize('change', [np.asarray, shifted])
def test_scores_are_those_of_the_organisers(names, change):
    parts = [organisers(change(read('predictions', n)), read('annotations', n)) for n in names]
    right, labelled, overlap, union = (sum(part) for part in zip(*parts, strict=True))
    metric = ours(names, change)
    assert metric.means['aAcc'] == pytest.approx(100 * right / labelled, rel=1e-12)
    iou = np.array(list(metric.per_class['IoU'].values()))
    occurs = union > 0
    np.testing.assert_allclose(iou[occurs], overlap[occurs] / union[occurs], rtol=1e-12)
    assert np.isnan(iou[~occurs]).all() and metric.means['classes_present'] == occurs.sum()
    # theirs is over all 150, of which all occur in the whole set
    theirs = 100 * np.mean(overlap / (np.spacing(1) + union))
    assert metric.means['mIoU'] * occurs.sum() / 150 == pytest.approx(theirs, rel=1e-12)


def test_the_numbers_do_not_drift():
    metric = ours(NAMES, np.asarray)
    assert metric.means['aAcc'] == metric.means['mIoU'] == 100
    assert metric.means['classes_present'] == 15 and int(metric.confusion.sum()) == 628772
    means = ours(NAMES, shifted).means
    assert (means['aAcc'], means['mIoU']) == pytest.approx((89.263676, 53.863968), abs=1e-6)
    assert means['mIoU_per_image'] == pytest.approx(59.477254, abs=1e-6)
