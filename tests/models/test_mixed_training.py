"""The losses of blended batches, and trainings on mixed ones."""

import copy

import pytest
import torch
from conftest import load_run_config
from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS
from test_low_memory_heads import (
    CE,
    DICE,
    FOCAL_DICE,
    OHEM,
    SAMPLER,
    STOCK_CE,
    make_features,
    make_head,
    make_labels,
    make_samples,
    total,
)

from mmseg_ext.engine.runner import Runner
from mmseg_ext.transforms import Distortion

pytestmark = pytest.mark.filterwarnings(
    'ignore:When align_corners', 'ignore:``build_pixel_sampler``', 'ignore:.*upsamples all logits'
)
RATIO = 0.3


@TRANSFORMS.register_module()
class DrawForDevice(BaseTransform):
    """Leaves a flip and a colour to the device."""

    def transform(self, results):
        results['on_device'] = dict(flip='horizontal', colour=Distortion(brightness=9.0, hue=4))
        return results


@pytest.mark.parametrize(
    ('losses', 'settings'),
    [
        ([CE], {}),
        ([FOCAL_DICE], {}),
        ([DICE], {}),
        ([OHEM, dict(STOCK_CE, loss_weight=0.5)], {}),
        ([STOCK_CE], {}),
        ([CE], dict(sampler=SAMPLER)),
    ],
    ids=['ce', 'focal_dice', 'dice', 'ohem and stock', 'stock', 'sampler'],
)
def test_the_loss_of_a_blend_is_that_of_both_labels(losses, settings):
    head = make_head('mmseg_ext.SegformerHead', losses, **settings).eval()
    own, partner = make_labels(), make_labels().flip(0, 1, 2)
    samples = make_samples(own)
    for sample, label in zip(samples, partner, strict=True):
        sample.set_metainfo(dict(mixup_ratio=RATIO))
        sample.gt_sem_seg_partner = PixelData(data=label[None])
    results = []
    for labels in (own, partner):
        head.zero_grad()
        logs = head.loss(make_features(), make_samples(labels), {})
        total(logs).backward()
        results.append((logs, [parameter.grad.clone() for parameter in head.parameters()]))
    head.zero_grad()
    logs = head.loss(make_features(), samples, {})
    total(logs).backward()
    (own_logs, own_gradients), (partner_logs, partner_gradients) = results
    assert list(logs) == list(own_logs)
    assert total(own_logs).item() != pytest.approx(total(partner_logs).item(), rel=1e-3)
    tight = dict(rtol=1e-9, atol=1e-12)
    for name, value in logs.items():
        wanted = RATIO * own_logs[name] + (1 - RATIO) * partner_logs[name]
        torch.testing.assert_close(value, wanted, **tight)
    for parameter, a, b in zip(head.parameters(), own_gradients, partner_gradients, strict=True):
        torch.testing.assert_close(parameter.grad, RATIO * a + (1 - RATIO) * b, **tight)


class Recorder(Hook):
    """Keeps what every iteration logs."""

    def __init__(self):
        self.logs = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs.append({name: value.item() for name, value in outputs.items()})


def train(config, work_dir, augments, pipeline=None):
    """Trains two iterations of 8 images, validates one image; returns the logs."""
    cfg = load_run_config(config)
    cfg.work_dir = str(work_dir)
    cfg.train_dataloader.dataset.indices = 16
    cfg.val_dataloader.dataset.indices = 1
    cfg.train_cfg.max_epochs = 1
    cfg.param_scheduler = []
    cfg.model.decode_head.type = 'mmseg_ext.SegformerHead'
    cfg.model.decode_head.loss_decode = CE
    cfg.model.data_preprocessor.update(type='mmseg_ext.SegDataPreProcessor')
    cfg.model.data_preprocessor.batch_augments = copy.deepcopy(augments)
    if pipeline:
        cfg.train_dataloader.dataset.pipeline = pipeline(cfg.train_dataloader.dataset.pipeline)
    cfg.default_hooks = dict(checkpoint=None, curves=None, val_sheet=None)
    runner, recorder = Runner.from_cfg(cfg), Recorder()
    runner.register_hook(recorder)
    runner.train()
    return recorder.logs


@pytest.fixture(scope='module')
def plain(tiny_config, tmp_path_factory):
    return train(tiny_config, tmp_path_factory.mktemp('plain'), [])


@pytest.mark.parametrize(
    'augment',
    [
        dict(type='mmseg_ext.CutMix', prob=1.0),
        dict(type='mmseg_ext.CopyPaste', prob=1.0, classes=list(range(1, 21))),
        dict(type='mmseg_ext.MixUp', prob=1.0, alpha=1.0),
    ],
    ids=lambda augment: augment['type'],
)
def test_a_run_trains_on_mixed_batches(plain, tiny_config, tmp_path, augment):
    logs = train(tiny_config, tmp_path / 'first', [augment])
    assert [list(log) for log in logs] == [['loss', 'decode.loss_ce', 'decode.acc_seg']] * 2
    assert all(0 < log['loss'] < 10 for log in logs)
    assert logs[0]['loss'] != pytest.approx(plain[0]['loss'], rel=1e-6)


def test_a_run_is_the_same_again_with_work_on_the_device(plain, tiny_config, tmp_path):
    def defer(pipeline):
        keys = ('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'on_device')
        pack = dict(type='PackSegInputs', meta_keys=keys)
        return [*pipeline[:-1], dict(type='DrawForDevice'), pack]

    mixtures = [dict(type='mmseg_ext.CutMix'), dict(type='mmseg_ext.MixUp', prob=1.0)]
    first, again = (
        train(tiny_config, tmp_path / name, mixtures, defer) for name in ('first', 'again')
    )
    assert first == again
    assert first[0]['loss'] != pytest.approx(plain[0]['loss'], rel=1e-6)
