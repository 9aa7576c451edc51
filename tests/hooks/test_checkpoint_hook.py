import errno
import itertools

import pytest
import torch
from conftest import name_run
from mmengine.config import Config
from mmengine.evaluator import Evaluator

from mmseg_ext.engine.checkpoint.files import find_fault
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner

names = itertools.count()


@pytest.fixture
def make_runner(tiny, tmp_path):
    """A Runner of 6 short epochs that never validates, unless told otherwise."""

    def make_runner(max_epochs=6, validate=False, **hook):
        tiny.work_dir = str(tmp_path / 'run')
        name_run(tiny)
        tiny.default_hooks.update(curves=None, val_sheet=None)
        tiny.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1, **hook)
        tiny.train_dataloader.dataset.indices = 8
        tiny.val_dataloader.dataset.indices = 1
        tiny.train_cfg.max_epochs = max_epochs
        tiny.train_cfg.val_interval = 1 if validate else 99
        tiny.train_cfg.val_begin = 1 if validate else 99
        return Runner.from_cfg(tiny)

    return make_runner


def checkpoints(tmp_path):
    return sorted(path.name for path in (tmp_path / 'run').glob('*.pth'))


def test_the_newest_are_kept_with_their_checksums(make_runner, tmp_path):
    make_runner(max_keep_ckpts=2).train()
    assert checkpoints(tmp_path) == ['epoch_5.pth', 'epoch_6.pth']
    sums = sorted(path.name for path in (tmp_path / 'run').glob('*.sha256'))
    assert sums == ['epoch_5.pth.sha256', 'epoch_6.pth.sha256']


def test_the_oldest_goes_when_the_new_one_is_there(make_runner, tmp_path):
    """Stock removes it first: a kill in between would leave none."""
    runner, seen = make_runner(max_epochs=3, max_keep_ckpts=1), []
    save = runner.save_checkpoint
    runner.save_checkpoint = lambda *args, **kwargs: (
        seen.append(checkpoints(tmp_path)),
        save(*args, **kwargs),
    )
    runner.train()
    assert seen == [[], ['epoch_1.pth'], ['epoch_2.pth']]
    assert checkpoints(tmp_path) == ['epoch_3.pth']


def test_a_resumed_run_lets_go_of_the_earlier_ones_and_of_half_written_ones(make_runner, tmp_path):
    make_runner(max_epochs=2, max_keep_ckpts=2).train()
    (tmp_path / 'run/.123.epoch_3.pth').write_bytes(b'half')
    (tmp_path / 'run/epoch_9.pth').write_bytes((tmp_path / 'run/epoch_1.pth').read_bytes())
    config = Config.fromfile(tmp_path / 'run/tiny.py')
    config.resume = str(tmp_path / 'run/epoch_2.pth')
    config.train_cfg.max_epochs = 3
    name_run(config)
    Runner.from_cfg(config).train()
    assert checkpoints(tmp_path) == ['epoch_2.pth', 'epoch_3.pth', 'epoch_9.pth']
    assert not list((tmp_path / 'run').glob('.*.pth'))


def full_disk(runner, fails):
    """Makes the writing of the files whose names ``fails`` accepts run into a full disk."""
    save = torch.save

    def failing(content, file, *args, **kwargs):
        if fails():
            raise OSError(errno.ENOSPC, 'No space left on device')
        save(content, file, *args, **kwargs)

    return failing


def test_a_disk_that_is_full_for_a_while(make_runner, tmp_path, monkeypatch):
    runner = make_runner(max_epochs=4, max_keep_ckpts=1)
    monkeypatch.setattr(torch, 'save', full_disk(runner, lambda: runner.epoch in (1, 2)))
    runner.train()
    assert checkpoints(tmp_path) == ['epoch_4.pth']
    (log,) = (tmp_path / 'run').glob('*/*.log')
    text = log.read_text()
    assert 'epoch_2.pth could not be saved: No space left on device' in text
    assert 'older checkpoints are whole (epoch_1.pth)' in text
    assert (tmp_path / 'run/last_checkpoint').read_text().endswith('epoch_4.pth')


def test_a_disk_that_stays_full_ends_the_run_with_an_error(make_runner, tmp_path, monkeypatch):
    runner = make_runner(max_epochs=3, max_keep_ckpts=1)
    monkeypatch.setattr(torch, 'save', full_disk(runner, lambda: runner.epoch > 0))
    with pytest.raises(UsageError, match=r'the last checkpoint is missing: .*epoch_3\.pth'):
        runner.train()
    assert checkpoints(tmp_path) == ['epoch_1.pth']
    assert find_fault(tmp_path / 'run/epoch_1.pth') is None
    assert (tmp_path / 'run/last_checkpoint').read_text().endswith('epoch_1.pth')


def test_the_oldest_makes_room_but_never_the_last_one(make_runner, tmp_path, monkeypatch):
    runner = make_runner(max_epochs=6, max_keep_ckpts=3)
    # room for two and the new one
    room = full_disk(runner, lambda: len(checkpoints(tmp_path)) > 2)
    monkeypatch.setattr(torch, 'save', room)
    runner.train()
    assert checkpoints(tmp_path) == ['epoch_4.pth', 'epoch_5.pth', 'epoch_6.pth']


def test_another_error_than_a_full_disk_is_raised(make_runner, monkeypatch):
    runner = make_runner(max_epochs=1)

    def fail(*args, **kwargs):
        raise PermissionError(errno.EACCES, 'Permission denied')

    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(PermissionError):
        runner.train()


def test_the_previous_best_goes_when_the_new_one_is_there(make_runner, tmp_path, monkeypatch):
    runner = make_runner(
        max_epochs=3, validate=True, max_keep_ckpts=1, save_best='mIoU', rule='greater'
    )
    scores = iter([10.0, 20.0, 30.0])
    full = [False]
    monkeypatch.setattr(torch, 'save', full_disk(runner, lambda: full[0]))

    def scored(self, size):
        score = next(scores)
        full[0] = score == 20.0  # the disk is full when the second best is to be saved
        return {'mIoU': score}

    monkeypatch.setattr(Evaluator, 'evaluate', scored)
    seen = []
    train_epoch = type(runner.train_loop).run_epoch

    def run_epoch(self):
        full[0] = False
        seen.append([name for name in checkpoints(tmp_path) if 'best' in name])
        train_epoch(self)

    monkeypatch.setattr(type(runner.train_loop), 'run_epoch', run_epoch)
    runner.train()
    assert seen == [[], ['best_mIoU_epoch_1.pth'], ['best_mIoU_epoch_1.pth']]
    assert [name for name in checkpoints(tmp_path) if 'best' in name] == ['best_mIoU_epoch_3.pth']


def test_a_validation_without_a_training_saves_nothing(make_runner, tmp_path):
    runner = make_runner(validate=True, save_best='mIoU', rule='greater')
    assert runner.val()['mIoU'] >= 0
    assert checkpoints(tmp_path) == []
