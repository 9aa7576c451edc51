"""What SIGTERM and a lost terminal do to a run of several processes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

OPTIONS = [
    '--cfg-options', 'train_dataloader.batch_size=4', 'train_dataloader.num_workers=1',
    'train_cfg.max_epochs=8', 'train_cfg.val_interval=8', 'default_hooks.logger.interval=1',
    'default_hooks.curves=None', 'default_hooks.val_sheet=None', 'val_dataloader.dataset.indices=4',
]  # fmt: skip


def start(tiny_config, work_dir, *prefix, resume=()):
    """Starts a run of two processes and returns it once it trains."""
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / 'log.txt'
    run = subprocess.Popen(
        [
            *prefix, 'tools/dist_train.sh', str(tiny_config), '2', '--work-dir', str(work_dir),
            *resume, *OPTIONS,
        ],
        cwd=ROOT,
        env=dict(os.environ, PYTHON=sys.executable),
        stdout=log.open('a'),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.time() + 120
    while 'Epoch(train)' not in log.read_text():
        assert run.poll() is None and time.time() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)
    return run, log


def losses(work_dir):
    lines = [
        json.loads(line)
        for file in Path(work_dir).glob('*/vis_data/scalars.json')
        for line in file.read_text().splitlines()
    ]
    return sorted((line['step'], line['loss']) for line in lines if 'loss' in line)


@pytest.fixture(scope='module')
def unbroken(tiny_config, tmp_path_factory):
    """The losses of a run under nohup, whose terminal is lost."""
    work_dir = tmp_path_factory.mktemp('run') / 'unbroken'
    run, log = start(tiny_config, work_dir, 'nohup')
    run.send_signal(signal.SIGHUP)
    assert run.wait(timeout=120) == 0
    return losses(work_dir), log.read_text()


def test_nohup_outlives_the_terminal(unbroken):
    seen, log = unbroken
    assert 'training is done' in log and 'SIGHUP' not in log
    assert [step for step, _ in seen] == list(range(1, 41))


@pytest.mark.parametrize(
    'number', [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_signal_saves_all_and_the_command_it_prints_goes_on(
    unbroken, tiny_config, tmp_path, number
):
    for attempt in range(3):
        work_dir = tmp_path / str(attempt)
        run, log = start(tiny_config, work_dir)
        began = time.time()
        run.send_signal(number)
        status = run.wait(timeout=60)
        text = log.read_text()
        # on a busy machine the run may be over before the signal is sent: that tests nothing
        if 'training is done' not in text:
            break
    assert status == 0
    assert time.time() - began < 25
    said = [line for line in text.splitlines() if f'{number.name}: stopped after' in line]
    assert len(said) == 1 and 'training is done' not in text
    assert list(work_dir.glob('interrupted_iter_*.pth'))
    if number == signal.SIGTERM:
        command = said[0].split('To go on: ')[1]
        assert command.startswith('tools/dist_train.sh') and command.endswith('--resume')
        env = dict(os.environ, PYTHON=sys.executable)
        assert subprocess.run(command, shell=True, cwd=ROOT, env=env).returncode == 0
        resumed = losses(work_dir)
        assert [step for step, _ in resumed] == list(range(1, 41))
        for ours, theirs in zip(resumed, unbroken[0], strict=True):
            assert ours[1] == pytest.approx(theirs[1], rel=1e-6)


@pytest.mark.slow
def test_kills_of_one_of_two_processes(unbroken, tiny_config, tmp_path):
    """The other one ends too; --resume has the losses of the unbroken run, each time."""
    draw, kills = random.Random(0), 0
    for _ in range(10):
        log = tmp_path / 'log.txt'
        log.unlink(missing_ok=True)  # start() waits for this start's first step
        resume = ['--resume'] if list(tmp_path.glob('epoch_*.pth')) else []
        run, log = start(tiny_config, tmp_path, resume=resume)
        time.sleep(draw.uniform(0, 1.5))
        ranks = Path(f'/proc/{run.pid}/task/{run.pid}/children').read_text().split()
        for rank in draw.sample(ranks, min(1, len(ranks))):
            os.kill(int(rank), signal.SIGKILL)
            kills += 1
        if run.wait(timeout=120) == 0:
            break
    else:
        run, _ = start(tiny_config, tmp_path, resume=['--resume'])
        assert run.wait(timeout=120) == 0
    print(f'{kills} kills')
    assert kills > 2
    expected = dict(unbroken[0])
    seen = losses(tmp_path)
    assert {step for step, _ in seen} == set(expected)
    for step, loss in seen:
        assert loss == pytest.approx(expected[step], rel=1e-6)
