import json
import time
from pathlib import Path

from conftest import name_run
from mmengine.config import Config

from mmseg_ext.engine.runner import Runner
from mmseg_ext.records.history import read_scalars


def test_stock_metric_and_hooks_switched_off(tiny, tmp_path):
    tiny.work_dir = str(tmp_path)
    tiny.train_cfg.max_epochs = 1
    tiny.val_evaluator = tiny.test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
    tiny.default_hooks.update(curves=None, val_sheet=None)
    given = tiny.to_dict()
    runner = Runner.from_cfg(tiny)
    assert tiny.to_dict() == given, 'from_cfg changed the config it was given'
    runner.train()
    (entry,) = json.loads(Path(tmp_path, 'metrics.json').read_text())['validations']
    assert entry['metrics']['mIoU'] > 0 and entry['per_class'] == {}
    assert not Path(tmp_path, 'curves.png').exists()
    dumped = Config.fromfile(tmp_path / 'tiny.py')
    assert dumped.default_hooks.curves is None and dumped.log_processor.by_epoch


def train(tiny, work_dir, **options):
    tiny.work_dir = str(work_dir)
    name_run(tiny)
    tiny.merge_from_dict(options)
    Runner.from_cfg(tiny).train()
    return json.loads(Path(work_dir, 'metrics.json').read_text())['validations']


def test_a_new_run_in_a_used_folder_starts_its_records_anew(tiny, tmp_path):
    options = {'train_dataloader.dataset.indices': 16, 'val_dataloader.dataset.indices': 2}
    first = train(tiny, tmp_path, **options)
    time.sleep(1.1)  # log folders are named by the second
    second = train(tiny, tmp_path, **options, **{'train_cfg.val_interval': 2, 'randomness.seed': 1})
    assert [entry['epoch'] for entry in first] == [1, 2]
    assert [entry['epoch'] for entry in second] == [2]
    assert len(read_scalars(tmp_path)) == 2, 'one line an epoch of the second run alone'


def test_a_picture_that_cannot_be_drawn_ends_no_run(tiny, tmp_path, monkeypatch):
    def fail(sample):
        raise ValueError('no picture here')

    monkeypatch.setattr('mmseg_ext.hooks.val_sheet_hook.read_picture', fail)
    assert len(train(tiny, tmp_path, **{'val_dataloader.dataset.indices': 2})) == 2
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert (
        text.count('ValSheetHook draws no pictures in this run: ValueError: no picture here') == 1
    )
    assert not (tmp_path / 'val_sheet.png').exists() and (tmp_path / 'curves.png').exists()


def test_the_summary_names_the_newest_checkpoint_where_no_best_is_kept(tiny, tmp_path):
    tiny.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    options = {'train_dataloader.dataset.indices': 8, 'val_dataloader.dataset.indices': 2}
    train(tiny, tmp_path, **options, **{'train_cfg.max_epochs': 10, 'train_cfg.val_interval': 10})
    (log,) = tmp_path.glob('*/*.log')
    assert 'epoch_10.pth' in log.read_text().split('test it:')[1]
