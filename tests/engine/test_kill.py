"""kill -9 at random moments: nothing is lost but the steps since the last checkpoint."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import mmseg.datasets
import mmseg.models  # noqa: F401
import pytest
import torch
import torch.utils.tensorboard
from conftest import load_run_config
from mmengine.hooks import Hook

from mmseg_ext.engine.checkpoint.files import find_newest_whole
from mmseg_ext.engine.runner import Runner

names = itertools.count()
# a server that has imported these once starts each run in a moment
processes = multiprocessing.get_context('forkserver')
processes.set_forkserver_preload(['mmseg.models', 'mmseg.datasets', 'torch.utils.tensorboard'])


class Journal(Hook):
    """Writes each loss to a file, which a kill does not empty."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with Path(runner.work_dir, 'journal.txt').open('a') as file:
            file.write(f'{runner.iter + 1} {outputs["loss"].item():.9g}\n')


def read_journal(work_dir):
    path = work_dir / 'journal.txt'
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines]


def train(config, work_dir, resume):
    """In a process of its own, that a kill may end."""
    os.setsid()
    log = os.open(work_dir / 'log.txt', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for handle in (1, 2):
        os.dup2(log, handle)
    cfg = load_run_config(config)
    cfg.work_dir, cfg.resume = str(work_dir), resume
    cfg.default_hooks.update(curves=None, val_sheet=None)
    # a checkpoint each step: a kill often falls into the writing
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=2
    )
    cfg.val_dataloader.dataset.indices = 1
    cfg.train_cfg.max_epochs = 4
    cfg.train_cfg.val_interval = 4
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Journal())
    runner.train()


def start(config, work_dir, resume=False):
    work_dir.mkdir(exist_ok=True)
    process = processes.Process(target=train, args=(config, work_dir, resume))
    process.start()
    return process


def finish(process, work_dir):
    process.join(timeout=120)
    assert process.exitcode == 0, (work_dir / 'log.txt').read_text()[-2000:]


def kill_and_resume(config, work_dir, kills, seed):
    """Kills a run so often that it trains at least a step in between; returns what was hit."""
    draw = random.Random(seed)
    in_writing = 0
    for kill in range(kills):
        seen = len(read_journal(work_dir))
        process = start(config, work_dir, resume=kill > 0)
        while len(read_journal(work_dir)) == seen and process.is_alive():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        newest, _ = find_newest_whole(str(work_dir))
        done = read_journal(work_dir)[-1][0] if read_journal(work_dir) else 0
        # the last step's own checkpoint may be cut off, the one before is there
        saved = torch.load(newest, weights_only=False)['meta']['iter'] if newest else 0
        assert done - saved <= 1
        in_writing += any(work_dir.glob('.*.pth'))
        if done >= 19:
            (work_dir / 'journal.txt').rename(work_dir / f'journal{kill}.txt')
            for path in work_dir.glob('*iter_*'):
                path.unlink()
    finish(start(config, work_dir, resume=True), work_dir)
    return in_writing


def check(config, tmp_path, kills):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    finish(start(config, whole), whole)
    killed.mkdir()
    in_writing = kill_and_resume(config, killed, kills, seed=0)
    unbroken = dict(read_journal(whole))
    assert sorted(unbroken) == list(range(1, 21))
    journals = [read_journal(whole)] + [
        [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
        for path in killed.glob('journal*.txt')
    ]
    for step, loss in itertools.chain(*journals):
        assert loss == pytest.approx(unbroken[int(step)], rel=1e-6)
    assert read_journal(killed)[-1][0] == 20
    assert not list(killed.glob('.*.pth')), 'half-written files are cleared up'
    return in_writing


def test_a_kill(tiny_config, tmp_path):
    check(tiny_config, tmp_path, kills=1)


@pytest.mark.slow
def test_fifty_kills(tiny_config, tmp_path):
    in_writing = check(tiny_config, tmp_path, kills=50)
    print(f'50 kills, {in_writing} of them while a checkpoint was written')
    assert in_writing > 0
