import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import load_run_config
from mmengine.hooks import Hook, LoggerHook

from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks import MetricsFileHook, metrics_file_hook
from mmseg_ext.records.confusion import read_confusion
from mmseg_ext.records.history import read_scalars, read_validations


class Watch(Hook):
    """Keeps whether the picture is there after each validation."""

    priority = 'LOWEST'

    def __init__(self, folder):
        self.folder, self.drawn = folder, []

    def after_val_epoch(self, runner, metrics=None):
        self.drawn.append((self.folder / 'confusion.png').exists())


@pytest.fixture(scope='module')
def finished(tiny_config, tmp_path_factory):
    """A run of two validations, then a test of it; folder, runner, whether it drew in between."""
    folder = tmp_path_factory.mktemp('run')
    cfg = load_run_config(tiny_config)
    cfg.work_dir = str(folder)
    cfg.train_dataloader.dataset.indices = 16
    cfg.val_dataloader.dataset.indices = cfg.test_dataloader.dataset.indices = 2
    cfg.val_cfg = dict(type='mmseg_ext.ValLoop')
    cfg.default_hooks.update(curves=None, val_sheet=None, checkpoint=None)
    runner, watch = Runner.from_cfg(cfg), Watch(folder)
    runner.register_hook(watch)
    runner.train()
    metric = runner.val_evaluator.metrics[0]
    kept = metric.confusion.numpy(), metric.means, metric.per_class
    runner.test()
    return folder, kept, watch.drawn, runner.log_dir


def test_metrics_json_holds_every_kind(finished):
    folder, (_, means, per_class), _, _ = finished
    _, last = read_validations(folder)
    assert last['means'] == pytest.approx(means)
    assert {'mDice', 'mPrecision', 'fwIoU', 'mIoU_per_image', 'classes_absent'} <= set(means)
    names = ['aAcc', 'mIoU', 'mAcc', 'val_loss', 'val_decode.acc_seg', 'val_decode.loss_ce']
    assert list(last['metrics']) == names and last['metrics']['val_loss'] > 0
    assert last['metrics']['mIoU'] == pytest.approx(last['means']['mIoU'], abs=0.006)
    assert set(last['per_class']) == {'IoU', 'Acc', 'Dice', 'Fscore', 'Precision', 'Recall'}
    for score, values in per_class.items():
        wanted = {name: None if np.isnan(share) else share for name, share in values.items()}
        assert last['per_class'][score] == pytest.approx(wanted)
    assert None in last['per_class']['IoU'].values()


def test_tables_and_the_picture_lie_beside(finished):
    folder, (confusion, _, per_class), drawn, log_dir = finished
    saved, classes = read_confusion(folder / 'confusion.npz')
    assert np.array_equal(saved, confusion) and confusion.sum() > 0 and len(classes) == 21
    rows = list(csv.DictReader((folder / 'per_class.csv').open()))
    assert [row['class'] for row in rows] == classes
    for row in rows:
        assert float(row['IoU']) == pytest.approx(per_class['IoU'][row['class']], nan_ok=True)
    assert sum(int(row['true_pixels']) for row in rows) == confusion.sum()
    assert drawn == [False, False] and (folder / 'confusion.png').is_file()
    test = json.loads((folder / log_dir / 'test_metrics.json').read_text())
    assert test['means']['classes_present'] > 0
    for name in ('confusion.npz', 'confusion.png', 'per_class.csv'):
        assert (folder / log_dir / name).is_file()


def test_scalars_per_class_stand_at_the_loggers_step(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, (_, _, per_class), _, _ = finished
    events = EventAccumulator(str(next(folder.glob('*/vis_data'))))
    events.Reload()
    tags = [tag for tag in events.Tags()['scalars'] if tag.startswith('per_class/')]
    defined = {
        f'per_class/{score}/{name}'
        for score in ('IoU', 'Acc', 'Precision')
        for name, share in per_class[score].items()
        if not np.isnan(share)
    }
    assert defined <= set(tags) and 'per_class/IoU/background' in tags
    points = events.Scalars('per_class/IoU/background')
    assert [point.step for point in points] == [point.step for point in events.Scalars('mIoU')]
    assert [point.step for point in points] == [1, 2]
    assert points[-1].value == pytest.approx(per_class['IoU']['background'], rel=1e-6)
    assert [point.step for point in events.Scalars('val_loss')] == [1, 2]
    assert [line['step'] for line in read_scalars(folder)] == [2, 4]


@pytest.mark.parametrize(('by_epoch', 'step'), [(True, 3), (False, 70)])
def test_scalars_are_counted_as_the_logger_counts(by_epoch, step):
    added = []
    runner = SimpleNamespace(
        hooks=[LoggerHook(log_metric_by_epoch=by_epoch)],
        visualizer=SimpleNamespace(add_scalars=lambda scalars, step: added.append((scalars, step))),
        epoch=3,
        iter=70,
    )
    per_class = dict(IoU={'bed ': 0.5, 'never': float('nan')}, Dice={'bed ': 0.7})
    MetricsFileHook()._add_scalars(runner, per_class)
    assert added == [({'per_class/IoU/bed': 0.5}, step)]


def test_of_two_metrics_all_values_are_of_the_first():
    metrics = [
        SimpleNamespace(confusion=None, means={}, per_class={}),
        SimpleNamespace(confusion=1, means=dict(mIoU=1), per_class=dict(IoU=1)),
        SimpleNamespace(confusion=2, means=dict(mIoU=2), per_class=dict(IoU=2)),
    ]
    found = metrics_file_hook._values(dict(a=3), SimpleNamespace(metrics=metrics))
    assert found == dict(metrics=dict(a=3), means=dict(mIoU=1), per_class=dict(IoU=1))
