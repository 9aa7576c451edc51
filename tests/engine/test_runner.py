import json
from pathlib import Path

from mmengine.config import Config

from mmseg_ext.engine.runner import Runner


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
