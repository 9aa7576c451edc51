"""Trainings with the low-memory heads, beside ones with MMSegmentation's."""

import json
import sys
from pathlib import Path

import mmseg
import pytest
from conftest import ROOT, load_run_config, write_tiny_config
from mmengine.hooks import Hook

from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner

STOCK_TRAIN = Path(mmseg.__file__).parent / '.mim/tools/train.py'
CAMVID = ROOT.parent / 'shared/data/camvid'
CAMVID_CONFIG = ROOT / 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py'
CE = dict(type='mmseg_ext.CrossEntropyLoss')
LOW_MEMORY = """
model['decode_head'].update(
    type='mmseg_ext.SegformerHead',
    loss_decode=[
        dict(type='mmseg_ext.FocalDiceLoss', focal_weight=1.0, dice_weight=0.5),
        dict(type='mmseg_ext.OHEMLoss', losses=dict(type='mmseg_ext.CrossEntropyLoss'),
             min_kept=200)])
"""
TERMS = ['decode.loss_focal', 'decode.loss_dice', 'decode.loss_ce']


class Recorder(Hook):
    """Keeps what every iteration logs."""

    def __init__(self):
        self.logs = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs.append({name: value.item() for name, value in outputs.items()})


def train(cfg, work_dir):
    """Trains with our Runner and a validation of one image; returns what each iteration logs."""
    cfg.work_dir = str(work_dir)
    cfg.val_dataloader.dataset.indices = 1
    cfg.default_hooks = dict(checkpoint=None, curves=None, val_sheet=None)
    cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs
    runner, recorder = Runner.from_cfg(cfg), Recorder()
    runner.register_hook(recorder)
    runner.train()
    return recorder.logs


def largest_difference(config, loss, epochs, work_dir, num_iters=50, **changes):
    """Of the losses of the low-memory and the stock head from one seed, relative."""
    curves = []
    for scope in ('', 'mmseg_ext.'):
        cfg = load_run_config(config)
        head = dict(type=f'{scope}SegformerHead', loss_decode=[loss], dropout_ratio=0.1)
        cfg.merge_from_dict(dict(model=dict(decode_head=head, backbone=dict(drop_path_rate=0.1))))
        cfg.merge_from_dict({'train_cfg.max_epochs': epochs, **changes})
        logs = train(cfg, work_dir / f'{scope}head')
        curves.append([log['loss'] for log in logs[:num_iters]])
    stock, ours = curves
    assert len(stock) == len(ours) == num_iters
    assert sum(stock[-10:]) < sum(stock[:10]), 'it did learn'
    return max(abs(a - b) / b for a, b in zip(ours, stock, strict=True))


def test_the_loss_curve_is_the_stock_heads(tiny_config, tmp_path):
    changes = {'param_scheduler': [], 'train_dataloader.batch_size': 4}
    assert largest_difference(tiny_config, CE, 5, tmp_path, **changes) < 1e-3


@pytest.mark.slow
@pytest.mark.skipif(not CAMVID.is_dir(), reason='the real data is not here')
def test_the_loss_curve_on_camvid_is_the_stock_heads(tmp_path):
    data = {
        f'{split}_dataloader': dict(
            num_workers=0, persistent_workers=False, dataset=dict(data_root=str(CAMVID))
        )
        for split in ('train', 'val')
    }
    found = largest_difference(CAMVID_CONFIG, CE, epochs=3, work_dir=tmp_path, **data)
    print(f'\nthe curves differ by {found:.1e} at most over 50 iterations')
    assert found < 1e-3


def test_our_runner_logs_every_term_and_the_sum_goes_down(voc_root, tmp_path):
    config = write_tiny_config(tmp_path / 'tiny.py', voc_root, LOW_MEMORY)
    cfg = load_run_config(config)
    cfg.train_cfg.max_epochs = 3
    cfg.param_scheduler = []
    logs = train(cfg, tmp_path / 'run')
    assert list(logs[0]) == ['loss', *TERMS, 'decode.acc_seg']
    for name in TERMS:
        assert sum(log[name] for log in logs[-5:]) < sum(log[name] for log in logs[:5]), name
    text = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'loss_focal: ' in text and 'upsamples all logits' not in text


@pytest.mark.skipif(not STOCK_TRAIN.is_file(), reason='mmsegmentation without its tools')
@pytest.mark.slow
def test_the_stock_tool_trains_it_and_options_set_the_weights(voc_root, run, tmp_path):
    config = write_tiny_config(tmp_path / 'tiny.py', voc_root, LOW_MEMORY)
    options = ['default_hooks.logger.interval=1', 'train_cfg.max_epochs=1']
    options += ['model.decode_head.loss_decode.0.dice_weight=0.25']
    work_dir = tmp_path / 'run'
    run(sys.executable, STOCK_TRAIN, config, '--work-dir', work_dir, '--cfg-options', *options)
    assert 'dice_weight=0.25' in (work_dir / 'tiny.py').read_text()
    (file,) = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    logs = [line for line in lines if 'loss' in line]
    assert len(logs) == 5
    assert set(TERMS) < logs[0].keys()
    for log in logs:
        assert log['loss'] == pytest.approx(sum(log[name] for name in TERMS), rel=1e-4)
    # a weight of the config halved by an option halves what is logged
    cfg = load_run_config(config)
    cfg.train_cfg.max_epochs = 1
    first = train(cfg, tmp_path / 'ours')[0]
    assert logs[0]['decode.loss_focal'] == pytest.approx(first['decode.loss_focal'], rel=1e-3)
    assert logs[0]['decode.loss_dice'] == pytest.approx(first['decode.loss_dice'] / 2, rel=1e-3)


def test_a_wrong_number_of_classes_is_caught_before_the_start(voc_root, tmp_path):
    cfg = load_run_config(write_tiny_config(tmp_path / 'tiny.py', voc_root, LOW_MEMORY))
    complete_config(cfg)
    preflight.check(cfg)
    cfg.model.decode_head.num_classes = 22
    with pytest.raises(UsageError, match=r'decode_head: num_classes=22, but .* has 21 classes'):
        preflight.check(cfg)
    cfg.model.auxiliary_head = [dict(type='mmseg_ext.FCNHead', num_classes=19)]
    with pytest.raises(
        UsageError, match=r'num_classes=22, model\.auxiliary_head\[0\]\.num_cl.*=19'
    ):
        preflight.check(cfg)
