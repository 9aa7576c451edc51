"""What a lost terminal does to a run of several processes."""

import os
import signal
import subprocess
import sys
import time

from conftest import ROOT


def start(tiny_config, work_dir, *prefix):
    """Starts a run of two processes and returns it once it trains."""
    log = work_dir / 'log.txt'
    run = subprocess.Popen(
        [
            *prefix, 'tools/dist_train.sh', str(tiny_config), '2', '--work-dir', str(work_dir),
            '--cfg-options', 'train_dataloader.batch_size=4', 'train_cfg.max_epochs=8',
            'train_cfg.val_interval=8', 'default_hooks.logger.interval=1',
        ],
        cwd=ROOT,
        env=dict(os.environ, PYTHON=sys.executable),
        stdout=log.open('w'),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.time() + 120
    while 'Epoch(train)' not in log.read_text():
        assert run.poll() is None and time.time() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)
    return run, log


def test_nohup_outlives_the_terminal(tiny_config, tmp_path):
    run, log = start(tiny_config, tmp_path, 'nohup')
    run.send_signal(signal.SIGHUP)
    assert run.wait(timeout=120) == 0
    assert 'training is done' in log.read_text()


def test_without_it_the_run_ends_and_says_how_to_go_on(tiny_config, tmp_path):
    run, log = start(tiny_config, tmp_path)
    run.send_signal(signal.SIGHUP)
    assert run.wait(timeout=120) == 128 + signal.SIGHUP
    text = log.read_text()
    assert 'ended by SIGHUP; --resume goes on' in text
    assert 'training is done' not in text
