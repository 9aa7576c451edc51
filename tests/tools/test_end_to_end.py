"""The main job on real command lines: train with two processes, resume, test, look at the files."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from PIL import Image


def validations(work_dir):
    return json.loads((work_dir / 'metrics.json').read_text())['validations']


def read_test(work_dir):
    newest = max(work_dir.glob('*/test_metrics.json'), key=lambda file: file.stat().st_mtime)
    return json.loads(newest.read_text())


@pytest.fixture(scope='module')
def trained(tiny_config, tmp_path_factory):
    """The folder of a run of two processes, and what it printed."""
    work_dir = tmp_path_factory.mktemp('run') / 'two'
    command = [
        'tools/dist_train.sh', tiny_config, '2', '--work-dir', work_dir,
        '--cfg-options', 'train_dataloader.batch_size=4',
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=dict(os.environ, PYTHON=sys.executable),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return work_dir, done.stdout


def test_a_run_leaves_its_files(trained):
    work_dir, _ = trained
    for name in ('curves.png', 'val_sheet.png'):
        assert min(Image.open(work_dir / name).size) > 400
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*'))
    checkpoint = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    assert checkpoint['meta']['epoch'] == 2 and checkpoint['meta']['iter'] == 10
    assert list(work_dir.glob('best_mIoU_epoch_*.pth'))
    leftovers = [path.name for path in work_dir.iterdir() if path.name.startswith('.')]
    assert leftovers == []


def test_the_dumped_config_says_what_ran(trained):
    cfg = Config.fromfile(trained[0] / 'tiny.py')
    assert cfg.train_dataloader.batch_size == 4
    assert cfg.default_hooks.curves.type == 'mmseg_ext.CurvesHook'
    assert cfg.val_dataloader.dataset.data_root == cfg.data_root


def test_metrics_json_holds_every_validation_per_class(trained):
    entries = validations(trained[0])
    assert [(entry['epoch'], entry['iter']) for entry in entries] == [(1, 5), (2, 10)]
    iou = entries[-1]['per_class']['IoU']
    assert len(iou) == 21 and 'background' in iou
    shares = [100 * share for share in iou.values() if share is not None]
    assert entries[-1]['metrics']['mIoU'] == pytest.approx(np.mean(shares), abs=0.006)


def test_the_log_shows_time_left_and_where_everything_is(trained):
    work_dir, log = trained
    assert 'Epoch(train) [1][2/5]' in log and 'eta: 0:00:' in log
    assert log.count('training is done') == 1
    assert f'everything is in {work_dir}' in log and 'test it: python tools/test.py' in log


@pytest.mark.slow
def test_one_process_goes_on_with_a_run_of_two(trained, tiny_config, run, tmp_path):
    work_dir = shutil.copytree(trained[0], tmp_path / 'two')
    done = run(
        sys.executable, 'tools/train.py', tiny_config, '--work-dir', work_dir, '--resume',
        '--cfg-options', 'train_cfg.max_epochs=3',
    )  # fmt: skip
    log = done.stdout + done.stderr
    assert 'resumed epoch: 2, iter: 10' in log
    assert 'takes effect: number of processes 2 -> 1' in log
    assert 'takes effect: train_dataloader.batch_size 4 -> 8' in log
    assert 'Epoch(train) [3][' in log and 'Epoch(train) [2][' not in log
    assert [entry['iter'] for entry in validations(work_dir)] == [5, 10, 15]
    assert (work_dir / 'epoch_3.pth').exists()


@pytest.mark.slow
def test_resume_of_a_fine_tune_goes_on_with_its_own_checkpoint(trained, tiny_config, run, tmp_path):
    """MMEngine alone would resume from load_from: the epoch and the optimizer of another run."""
    command = [sys.executable, 'tools/train.py', tiny_config, '--work-dir', tmp_path]
    options = [f'load_from={trained[0] / "epoch_1.pth"}', 'train_dataloader.dataset.indices=8']
    run(*command, '--cfg-options', *options)
    done = run(*command, '--resume', '--cfg-options', *options, 'train_cfg.max_epochs=3')
    assert 'resumed epoch: 2, iter: 2' in done.stdout + done.stderr
    assert [entry['iter'] for entry in validations(tmp_path)] == [1, 2, 3]


@pytest.mark.slow
def test_two_nodes_of_one_process_equal_two_processes(trained, tiny_config, tmp_path):
    command = [
        str(ROOT / 'tools/dist_train.sh'), str(tiny_config), '1', '--work-dir', str(tmp_path),
        '--cfg-options', 'train_dataloader.batch_size=4',
    ]  # fmt: skip
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    env = dict(os.environ, PYTHON=sys.executable, NNODES='2', PORT=port)
    nodes = []
    for rank in ('0', '1'):
        folder = tmp_path / f'node{rank}'  # machines share the run's folder, not the current one
        folder.mkdir()
        nodes.append(subprocess.Popen(command, cwd=folder, env=dict(env, NODE_RANK=rank)))
    assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    ours, theirs = validations(tmp_path), validations(trained[0])
    assert [entry['metrics'] for entry in ours] == [entry['metrics'] for entry in theirs]


def test_testing_gives_the_values_of_the_validation(trained, tiny_config, run, tmp_path):
    work_dir = shutil.copytree(trained[0], tmp_path / 'two')
    dumped = (work_dir / 'tiny.py').read_text()
    run(
        sys.executable, 'tools/test.py', tiny_config, work_dir / 'epoch_2.pth',
        '--work-dir', work_dir, '--out', tmp_path / 'masks', '--show-dir', tmp_path / 'shown',
    )  # fmt: skip
    values, last = read_test(work_dir), validations(work_dir)[-1]
    assert values['metrics'] == last['metrics'] and values['per_class'] == last['per_class']
    assert values['checkpoint'].endswith('epoch_2.pth')
    assert (work_dir / 'tiny.py').read_text() == dumped, "the training's config was replaced"
    cfg = Config.fromfile(tiny_config)
    names = Path(cfg.data_root, cfg.val_dataloader.dataset.ann_file).read_text().split()
    assert sorted(file.stem for file in (tmp_path / 'masks').iterdir()) == sorted(names)
    assert sorted(file.stem for file in (tmp_path / 'shown').iterdir()) == sorted(names)
    truth = Image.open(Path(cfg.data_root, 'SegmentationClass', f'{names[0]}.png'))
    mask = Image.open(tmp_path / 'masks' / f'{names[0]}.png')
    assert mask.size == truth.size and np.array(mask).max() < 21


@pytest.mark.slow
def test_two_processes_test_like_one_also_with_tta(trained, tiny_config, run, tmp_path):
    values = []
    # 19 images: the sampler must pad for two processes
    options = ['--tta', '--worst', '2', '--cfg-options', 'test_dataloader.dataset.indices=19']
    worst = []
    for name, command in (
        ('one', [sys.executable, 'tools/test.py', tiny_config, trained[0] / 'epoch_2.pth']),
        ('two', ['tools/dist_test.sh', tiny_config, trained[0] / 'epoch_2.pth', 2]),
    ):
        out = tmp_path / name
        run(*command, '--work-dir', out, '--out', out / 'masks', *options)
        values.append(read_test(out)['metrics'])
        assert len(list((out / 'masks').iterdir())) == 19
        worst.append(json.loads(next(out.glob('*/worst/worst.json')).read_text()))
    assert values[0] == values[1] and worst[0] == worst[1]
    assert len(worst[0]['classes']['background']['images']) == 2


def test_amp_without_a_gpu_and_a_resume_of_nothing_are_said(tiny_config, run, tmp_path):
    done = run(
        sys.executable, 'tools/train.py', tiny_config, '--work-dir', tmp_path, '--amp', '--resume',
        '--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=8',
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert 'has no checkpoint to resume: starting anew' in said
    assert ('AMP is off' in said) == (not torch.cuda.is_available())
    assert len(validations(tmp_path)) == 1
