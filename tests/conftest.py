import gc
import itertools
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmseg_ext.prepare.demo import write_demo

ROOT = Path(__file__).parents[1]
run_numbers = itertools.count()
# helpers that assert say what they compared
pytest.register_assert_rewrite('shrunk')

# two cores run two processes: more threads would only wait for each other
os.environ['OMP_NUM_THREADS'] = '1'
torch.set_num_threads(1)


def pytest_collection_finish():
    """Leaves what is imported out of collections, of which each dataset of MMEngine makes one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def demo_root(tmp_path_factory):
    """A small demo tree: VOCdevkit/VOC2012 and benchmark_RELEASE."""
    out = tmp_path_factory.mktemp('demo') / 'tree'
    write_demo(out, num_train=40, num_aug=8, num_val=20)
    return out


@pytest.fixture(scope='session')
def voc_root(demo_root):
    return demo_root / 'VOCdevkit/VOC2012'


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory, voc_root):
    """A leaf over the real pieces that trains in seconds: 5 iterations an epoch, 2 epochs."""
    return write_tiny_config(tmp_path_factory.mktemp('config') / 'tiny.py', voc_root)


@pytest.fixture(scope='module')
def leaf_runs(tmp_path_factory, demo_root):
    """Trains leaves, shrunk, for one test file."""
    from shrunk import Runs, find_stock_tool  # brings much that other tests do without

    if not find_stock_tool('train.py'):
        pytest.skip('mmsegmentation without its tools')
    folder = tmp_path_factory.mktemp('leaves')
    yield Runs(folder, demo_root)
    shutil.rmtree(folder)  # hundreds of MB, which pytest would keep three times


def write_tiny_config(path, voc_root, extra=''):
    base = ROOT / 'configs/_base_'
    path.write_text(f"""
_base_ = ['{base}/models/segformer_mit-b0.py', '{base}/datasets/pascal_voc12.py',
          '{base}/schedules/schedule_24e_adamw.py', '{base}/default_runtime.py']
data_root = '{voc_root}'
model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(embed_dims=16, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 2],
                  drop_path_rate=0.0),
    decode_head=dict(in_channels=[16, 16, 32, 32], channels=16, num_classes=21))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
img_ratios = [0.75, 1.0]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in img_ratios],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
train_cfg = dict(max_epochs=2, val_interval=1)
default_hooks = dict(logger=dict(type='LoggerHook', interval=2))
randomness = dict(seed=0)
{extra}""")
    return path


@pytest.fixture
def tiny(tiny_config):
    """The tiny config, loaded."""
    return load_run_config(tiny_config)


def load_run_config(file):
    """Loads a config for a run in this process, which may have others in it."""
    cfg = load_unformatted(file)
    name_run(cfg)
    return cfg


def load_unformatted(file, load=Config.fromfile):
    """Loads a config whose text is not formatted: that is most of the time of a run so short."""
    cfg = load(file)
    return Config(cfg.to_dict(), cfg_text=cfg.text, filename=cfg.filename, format_python_code=False)


def name_run(cfg):
    """Names a run as no other: namesakes of one process share logger and visualizer."""
    cfg.experiment_name = cfg.visualizer.name = f'run{os.getpid()}_{next(run_numbers)}'


@pytest.fixture
def run():
    """Runs a command from the root of the repository; returns status, stdout, stderr."""

    def run(*command, check=True, timeout=300, **env):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env=dict(os.environ, PYTHON=sys.executable, **env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    return run


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Runs a tool in this process, which saves seconds of imports; returns as ``run`` does."""

    def run_tool(path, *words):
        tool = str(ROOT / path)
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv('LOCAL_RANK', '0')  # what the tools set would outlive the test
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, words)])
        capsys.readouterr()
        status = 0
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        return subprocess.CompletedProcess(sys.argv, status, *capsys.readouterr())

    return run_tool


@pytest.fixture
def run_converter(run_tool):
    """Runs a weight converter in this process; returns its status, what it said, and its errors."""

    def run_converter(name, *words):
        done = run_tool(f'tools/model_converters/{name}.py', *words)
        return done.returncode, done.stdout, done.stderr

    return run_converter
