import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy
from conftest import load_run_config
from mmengine.registry import DATASETS, MODELS
from validating import (
    CLASSES,
    Images,
    OnePass,
    Segmentor,
    make_loop,
    validate,
    validate_all,
    validate_as,
)

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner


def test_the_loss_is_the_mean_over_images():
    network, images = Segmentor(), Images(5)
    losses = []
    for index in range(5):
        sample = images[index]
        logits = network.layer(sample['inputs'][None])
        label = sample['data_samples'].gt_sem_seg.data
        losses.append(torch.nn.functional.cross_entropy(logits, label, ignore_index=255).item())
    wanted = sum(losses) / 5
    for kind in (Segmentor, OnePass):
        for batch_size in (1, 2, 5):
            metrics = validate(kind(), images, batch_size)['metrics']
            assert list(metrics)[-4] == 'val_loss'
            assert metrics['val_decode.loss_ce'] == pytest.approx(wanted, rel=1e-6)
            assert metrics['val_aux.loss_ce'] == pytest.approx(0.4 * wanted, rel=1e-6)
            assert metrics['val_loss'] == pytest.approx(1.4 * wanted, rel=1e-6)
            assert 0 < metrics['val_decode.acc_seg'] < 1


def test_two_processes_and_one_give_the_same(tmp_path):
    script, store = Path(__file__).with_name('validating.py'), tmp_path / 'store'
    second = subprocess.Popen([sys.executable, script, store], stdout=subprocess.DEVNULL)
    try:
        together, metrics = validate_as(0, store)
        assert second.wait(60) == 0
    finally:
        second.kill()
    assert metrics[0] == metrics[1]
    for two, one in zip(together, validate_all(), strict=True):
        assert two['confusion'] == one['confusion']
        assert two['metrics'] == pytest.approx(one['metrics'], rel=1e-12, nan_ok=True)
        assert two['means'] == pytest.approx(one['means'], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize('kind', [Segmentor, OnePass])
def test_images_without_truth_are_named(kind):
    loop = make_loop(kind(), Images(2, truth=False), 1)
    loop.evaluator.metrics.clear()
    with pytest.raises(UsageError, match=r"0.jpg has no truth.*val_cfg.type='ValLoop'"):
        loop.run()


def test_padded_images_need_a_network_that_knows_of_it():
    def pad(data, training):
        for sample in data['data_samples']:
            sample.set_metainfo(dict(img_padding_size=(0, 0, 0, 3)))
        return data

    network = Segmentor()
    network.data_preprocessor.forward = pad
    with pytest.raises(UsageError, match=r"padded images needs model.type='mmseg_ext.EncoderDec"):
        validate(network, Images(1))


def test_a_stock_network_gives_its_training_loss(tiny_config, tmp_path):
    cfg = load_run_config(tiny_config)
    cfg.work_dir = str(tmp_path)
    cfg.val_dataloader.dataset.indices = 2
    cfg.val_cfg = dict(type='mmseg_ext.ValLoop')
    cfg.default_hooks = dict(checkpoint=None, val_sheet=None, curves=None)
    runner = Runner.from_cfg(cfg)
    metrics = runner.val()
    assert metrics['val_loss'] == metrics['val_decode.loss_ce'] > 0
    network = runner.model
    with torch.no_grad():
        losses = [
            float(network(**network.data_preprocessor(batch), mode='loss')['decode.loss_ce'])
            for batch in runner.val_dataloader
        ]
    assert metrics['val_loss'] == pytest.approx(sum(losses) / 2, rel=1e-5)


class Unable(Segmentor):
    """Has no loss in eval."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            raise ValueError('not enough values to unpack')
        return super().forward(inputs, data_samples, mode)


def test_a_network_without_a_loss_in_validation_is_named():
    with pytest.raises(UsageError, match=r"0\.jpg: Unable gives no .*not enough.*type='ValLoop'"):
        validate(Unable(), Images(1))


class Rising(Segmentor):
    """Its validation loss rises from the third validation on."""

    def __init__(self):
        super().__init__()
        self.done = -1

    def predict_with_loss(self, inputs, data_samples):
        self.done += 1
        loss = torch.tensor([3.0, 2.0, 4.0, 5.0, 6.0][self.done])
        return self(inputs, data_samples, mode='predict'), [{'decode.loss_ce': loss}]


def test_a_plateau_of_the_loss_lowers_the_rate(tmp_path):
    for registry, kind in ((MODELS, Rising), (DATASETS, Images)):
        registry.register_module(module=kind, force=True)
    loader = dict(
        dataset=dict(type='Images', size=1),
        batch_size=1,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    cfg = toy.make_config(
        tmp_path,
        model=dict(_delete_=True, type='Rising'),
        train_dataloader=dict(_delete_=True, **loader),
        val_dataloader=loader,
        val_evaluator=dict(type='mmseg_ext.SegMetrics'),
        val_cfg=dict(type='mmseg_ext.ValLoop'),
        optim_wrapper=dict(paramwise_cfg=None),
        custom_hooks=[],
    )
    cfg.train_cfg.max_epochs = 5
    cfg.param_scheduler = dict(
        type='ReduceOnPlateauLR', monitor='val_loss', rule='less', patience=1, factor=0.5
    )
    runner = toy.Runner.from_cfg(cfg)
    rates = []
    probe = toy.Probe()
    probe.before_train_iter = lambda runner, **kwargs: rates.append(
        runner.optim_wrapper.get_lr()['lr'][0]
    )
    runner.register_hook(probe)
    runner.train()
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.05])
    assert runner.val_evaluator.dataset_meta['classes'] == CLASSES
