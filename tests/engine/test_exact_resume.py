"""A run that is broken off and resumed has the losses of one that is not."""

import copy
import itertools
import os
import signal

import pytest
import torch
from conftest import load_run_config
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner
from mmseg_ext.records.history import read_validations

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 32), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
names = itertools.count()


class Recorder(Hook):
    """Keeps every loss, and sends this process a signal after one iteration."""

    def __init__(self, stop_at=None):
        self.losses, self.stop_at = [], stop_at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append((runner.iter + 1, batch_idx, outputs['loss'].item()))
        if runner.iter + 1 == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)


def train(tiny_config, work_dir, stop_at=None, hook=None, **options):
    """Trains two epochs of five iterations with dropout and augmentation; returns the losses."""
    cfg = load_run_config(tiny_config)
    cfg.work_dir = str(work_dir)
    cfg.train_dataloader.dataset.pipeline = PIPELINE
    cfg.model.decode_head.dropout_ratio = 0.3
    cfg.val_dataloader.dataset.indices = 1
    cfg.default_hooks.update(curves=None, val_sheet=None)
    cfg.merge_from_dict(copy.deepcopy(options))  # merging takes _delete_ out
    runner = Runner.from_cfg(cfg)
    recorder = Recorder(stop_at)
    runner.register_hook(recorder)
    if hook:
        runner.register_hook(hook)
    if stop_at is None:
        runner.train()
    else:
        with pytest.raises(SystemExit) as exit:
            runner.train()
        assert exit.value.code == 0
    return recorder.losses


@pytest.fixture(scope='module')
def unbroken(tiny_config, tmp_path_factory):
    return train(tiny_config, tmp_path_factory.mktemp('run'))


def assert_same(losses, unbroken):
    assert [loss[:2] for loss in losses] == [loss[:2] for loss in unbroken]
    assert [loss[2] for loss in losses] == pytest.approx([x[2] for x in unbroken], rel=1e-6)


# in the middle of the second epoch, after the first's last iteration, after its end
@pytest.mark.parametrize(
    'workers, stop_at', [(0, 7), (0, 5), (1, 7), pytest.param(4, 6, marks=pytest.mark.slow)]
)
def test_the_losses_go_on_whatever_the_number_of_workers(
    unbroken, tiny_config, tmp_path, workers, stop_at
):
    options = {
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers == 4,
    }
    losses = train(tiny_config, tmp_path, stop_at, **options)
    assert len(losses) == stop_at
    losses += train(tiny_config, tmp_path, resume=True, **options)
    assert_same(losses, unbroken)


def test_a_torn_checkpoint_is_passed_over(unbroken, tiny_config, tmp_path):
    """The run goes on from the epoch's own, and trains again what came after it."""
    train(tiny_config, tmp_path, stop_at=8)
    torn = tmp_path / 'interrupted_iter_8.pth'
    os.truncate(torn, torn.stat().st_size // 2)
    assert_same(train(tiny_config, tmp_path, resume=True), unbroken[5:])
    (log,) = (log for log in tmp_path.glob('*/*.log') if 'passed over' in log.read_text())
    assert f'passed over {torn}, which is torn' in log.read_text()
    assert f'loaded resume={tmp_path / "epoch_1.pth"}: backbone ' in log.read_text()


def test_another_batch_size_goes_on_at_the_same_sample(tiny_config, tmp_path):
    train(tiny_config, tmp_path, stop_at=7)
    losses = train(tiny_config, tmp_path, resume=True, **{'train_dataloader.batch_size': 4})
    # two batches of eight are four of four, of the ten that the epoch has now
    assert [batch for _, batch, _ in losses] == [4, 5, 6, 7, 8, 9]
    (log,) = (log for log in tmp_path.glob('*/*.log') if 'takes effect' in log.read_text())
    assert 'takes effect: train_dataloader.batch_size 8 -> 4' in log.read_text()


def test_another_seed_is_ignored_whole(unbroken, tiny_config, tmp_path):
    losses = train(tiny_config, tmp_path, stop_at=7)
    seed = {'randomness.seed': 5}
    with pytest.raises(UsageError, match=r'ignored, because .*: randomness\.seed 0 -> 5; '):
        train(tiny_config, tmp_path, resume=True, **seed)
    anyway = {'guards.resume_anyway': True}
    assert_same(losses + train(tiny_config, tmp_path, resume=True, **seed, **anyway), unbroken)


def test_by_iteration_without_a_seed_in_the_config(tiny_config, tmp_path):
    """The resumed run takes the drawn seed; another run with that seed has the same losses."""
    options = {
        'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=12, val_interval=12),
        'train_dataloader.sampler': dict(_delete_=True, type='InfiniteSampler', shuffle=True),
        'default_hooks.checkpoint': dict(type='CheckpointHook', interval=12),
        'randomness': {},
    }
    losses = train(tiny_config, tmp_path / 'broken', stop_at=7, **options)
    (checkpoint,) = (tmp_path / 'broken').glob('interrupted_iter_7.pth')
    seed = torch.load(checkpoint, weights_only=False)['meta']['seed']
    losses += train(tiny_config, tmp_path / 'broken', resume=True, **options)
    whole = train(tiny_config, tmp_path / 'whole', **options, **{'randomness.seed': seed})
    assert_same(losses, whole)
    assert not checkpoint.exists(), 'a newer regular checkpoint takes its place'


class StopInValidation(Hook):
    """Sends this process a signal in the middle of the first validation."""

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def validations(work_dir):
    return [(entry['iter'], entry['metrics']) for entry in read_validations(work_dir)]


def test_a_validation_that_was_cut_off_is_made_up_for(tiny_config, tmp_path):
    """With its result in the records, and the losses of the unbroken run after it."""
    options = {'val_dataloader.dataset.indices': 4}
    unbroken = train(tiny_config, tmp_path / 'whole', **options)
    broken = tmp_path / 'broken'
    losses = train(tiny_config, broken, stop_at=0, hook=StopInValidation(), **options)
    assert len(losses) == 5 and validations(broken) == []
    losses += train(tiny_config, broken, resume=True, **options)
    assert_same(losses, unbroken)
    assert validations(broken) == validations(tmp_path / 'whole')
    (log,) = (log for log in broken.glob('*/*.log') if 'making up for it' in log.read_text())
    assert log.read_text().count('resumed epoch: 1, iter: 5') == 1


def test_a_validation_that_is_there_is_not_made_again(tiny_config, tmp_path):
    train(tiny_config, tmp_path, stop_at=7)
    (tmp_path / 'interrupted_iter_7.pth').unlink()
    train(tiny_config, tmp_path, resume=True)
    assert [step for step, _ in validations(tmp_path)] == [5, 10]
    assert not any('making up' in log.read_text() for log in tmp_path.glob('*/*.log'))


def test_a_stop_in_a_validation_of_the_averaged_weights_saves_both_sets_as_they_are(
    tiny_config, tmp_path
):
    """EMAHook validates with its weights in the network's place."""
    ema = dict(type='EMAHook', momentum=0.5)
    options = {'val_dataloader.dataset.indices': 4, 'custom_hooks': [ema]}
    train(tiny_config, tmp_path, stop_at=0, hook=StopInValidation(), **options)
    regular = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    stopped = torch.load(tmp_path / 'interrupted_iter_5.pth', weights_only=False)
    name = 'decode_head.conv_seg.weight'
    ours, averaged = regular['state_dict'][name], regular['ema_state_dict'][f'module.{name}']
    assert not torch.equal(ours, averaged)
    assert torch.equal(stopped['state_dict'][name], ours)
    assert torch.equal(stopped['ema_state_dict'][f'module.{name}'], averaged)


def test_behind_a_batch_sampler(unbroken, tiny_config, tmp_path):
    DATA_SAMPLERS.register_module(name='Batches', module=BatchSampler, force=True)
    options = {'train_dataloader.batch_sampler': dict(type='Batches', drop_last=False)}
    losses = train(tiny_config, tmp_path, stop_at=7, **options)
    assert_same(losses + train(tiny_config, tmp_path, resume=True, **options), unbroken)


class OwnBatches(BatchSampler):
    """Stands for one that groups images by shape."""


def test_behind_a_batch_sampler_of_its_own_kind_the_epoch_is_repeated(
    unbroken, tiny_config, tmp_path
):
    DATA_SAMPLERS.register_module(module=OwnBatches, force=True)
    options = {'train_dataloader.batch_sampler': dict(type='OwnBatches', drop_last=False)}
    train(tiny_config, tmp_path, stop_at=7, **options)
    losses = train(tiny_config, tmp_path, resume=True, **options)
    assert [batch for _, batch, _ in losses] == [0, 1, 2, 3, 4]
    assert any('cannot begin in the middle' in log.read_text() for log in tmp_path.glob('*/*.log'))
