"""A leaf trained a step, made small, and what that has to leave."""

import dataclasses
import json
import os
import re
import runpy
import sys
from pathlib import Path
from unittest import mock

import mmseg
import numpy as np
import pytest
import witness  # noqa: F401, registers the hook that the small configs name
from conftest import ROOT, load_unformatted, name_run
from mmengine.config import Config
from mmengine.registry import HOOKS
from shrinking import BATCH, CROP, LEAVES, shrink
from stand_in_timm import timm_or_stand_in
from stand_ins import StandIns

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.config import is_by_epoch
from mmseg_ext.engine.errors import UsageError, silence_known_warnings
from mmseg_ext.hooks import curves_hook, metrics_file_hook

# MMSegmentation keeps its tools in its package, or beside it in a checkout
STOCK_TOOLS = [
    Path(mmseg.__file__).parent / '.mim/tools',
    Path(mmseg.__file__).parents[1] / 'tools',
]
NUMBERS_ALONE = r'_v2-focal05-dice1$|_v2-focal1-dice05$|_v1\.3$|_v3-finetune-50e$'
# Test files run side by side, each in a process: no leaf of one loads another one's checkpoint.
GROUPS = dict(ade20k='segformer_mit-b2_.*_ade20k-', voc='segformer_mit-b2_.*_(voc12aug|coco)-')
FROM_NOTHING = 'segformer_mit-b0_.*_(camvid|demo)-'  # leaves that may begin without weights
# ResNetV1c begins with three convolutions, torchvision's file with one: 15 tensors stay random
FILLED = {'upernet_r50_2xb4-200e_voc12aug-512x512_v1': dict(backbone=260 / 275)}


@dataclasses.dataclass
class Run:
    """A leaf's small training.

    Attributes:
        leaf: The leaf's own config.
        small: The one that was trained.
        work_dir: What the run left; the small config lies beside it.
    """

    leaf: Config
    small: Config
    work_dir: Path

    @property
    def config(self):
        # not with_suffix: names have points in them
        return self.work_dir.with_name(f'{self.work_dir.name}.py')

    @property
    def checkpoint(self):
        (file,) = self.work_dir.glob('[ei]*_*.pth')
        return file

    @property
    def witness(self):
        return json.loads((self.work_dir / 'witness.json').read_text())

    @property
    def log(self):
        return ''.join(file.read_text() for file in sorted(self.work_dir.glob('*/*.log')))

    @property
    def validations(self):
        return json.loads((self.work_dir / 'metrics.json').read_text())['validations']

    def test(self):
        """Evaluates the checkpoint with our tool, in a Runner of its own; returns the metrics."""
        names = Config(dict(visualizer=dict()))
        name_run(names)
        run_tool(
            ROOT / 'tools/test.py', self.config, self.checkpoint, '--work-dir', self.work_dir,
            '--cfg-options', f'experiment_name={names.experiment_name}',
            f'visualizer.name={names.visualizer.name}',
        )  # fmt: skip
        (file,) = self.work_dir.glob('*/test_metrics.json')
        return json.loads(file.read_text())['metrics']


class Runs:
    """Trains leaves a step with the unmodified stock tools/train.py, each once.

    Args:
        folder: Takes data, weights and runs.
        demo_root: The demo tree.
    """

    def __init__(self, folder, demo_root):
        self.folder, self.stand_ins, self.done = folder, StandIns(folder, demo_root), {}

    def train(self, name):
        """Trains a leaf, after the one whose checkpoint it loads."""
        if name not in self.done:
            small, leaf = self.shrink(LEAVES[name])
            run = Run(leaf, small, self.folder / name)
            small.dump(run.config)
            command = [find_stock_tool('train.py'), run.config, '--work-dir', run.work_dir]
            if small.get('guards', {}).get('strict'):
                # a leaf that shows what the guard stops, and trains when told to
                with pytest.raises(UsageError, match='times the .* that trained'):
                    run_tool(*command)
                command += ['--cfg-options', 'guards.strict=False']
            run_tool(*command)
            self.done[name] = run
        return self.done[name]

    def forget(self, name):
        """Removes the checkpoints of a leaf that no other one loads."""
        if not any(f'work_dirs/{name}/' in leaf.read_text() for leaf in LEAVES.values()):
            for file in (self.folder / name).glob('*.pth'):
                file.unlink()

    def shrink(self, leaf):
        """The small config and the own one of a leaf's file."""
        return shrink(leaf, self.stand_ins, lambda name: self.train(name).checkpoint)


def leaves_of(group):
    """Names of the leaves of one test file; ``None``: of those that are in no group.

    Leaves that only change numbers of another one are trained by ``make bench``.
    """
    of = {
        name: next((key for key, pattern in GROUPS.items() if re.match(pattern, name)), None)
        for name in LEAVES
    }
    slow = pytest.mark.slow
    return [
        pytest.param(name, marks=slow if re.search(NUMBERS_ALONE, name) else ())
        for name in LEAVES
        if of[name] == group
    ]


def find_stock_tool(name):
    """A tool of the installed MMSegmentation, None if it comes without."""
    return next((path / name for path in STOCK_TOOLS if (path / name).is_file()), None)


def run_tool(tool, *words):
    """Runs a command line in this process, which has done the imports."""
    silence_known_warnings()
    argv = mock.patch.object(sys, 'argv', [str(tool), *map(str, words)])
    plain = mock.patch.object(Config, 'fromfile', load_unformatted)
    # stock tools set LOCAL_RANK
    # of 150 classes they take seconds, and have tests of their own
    pictures = mock.patch.multiple(metrics_file_hook, draw_confusion=mock.DEFAULT)
    curves = mock.patch.multiple(curves_hook, draw_curves=mock.DEFAULT)
    with argv, plain, pictures, curves, mock.patch.dict(os.environ), timm_or_stand_in():
        runpy.run_path(str(tool), run_name='__main__')


def check(runs, name):
    """Trains a leaf a step, and asserts what that has to leave.

    - It learned: each batch has the size it should, its loss is finite and above 0, every parameter
      is trained at a rate above 0 and by a finite gradient, the schedulers were stepped, and the
      loss of the same batch is of the same size after the step. Under AMP it is so in bfloat16 too.
    - It began with the weights that it names, all of them in every part of the network but for what
      ``FILLED`` says.
    - It was validated when it should be, with scores that have what ``save_best`` names.
    - Its checkpoint is finite, fills the network, and scores as the network did.

    Removes the checkpoint, unless another leaf loads it.

    Args:
        runs: Trains it, and what it loads.
        name: The leaf's, without ``.py``.
    """
    run = runs.train(name)
    cfg, steps = run.small, run.small.optim_wrapper.get('accumulative_counts', 1)
    check_learning(run.witness, cfg, steps)
    check_beginning(run, name)
    (validation,) = run.validations
    assert validation['epoch' if is_by_epoch(cfg) else 'iter'] == steps
    assert _indicators(run.leaf) <= set(validation['metrics'])
    weights = read_checkpoint(run.checkpoint)['state_dict']
    assert [key for key, weight in weights.items() if not weight.isfinite().all()] == []
    assert run.test() == pytest.approx(validation['metrics'], abs=0.01)
    assert set(_shares_filled(run.log, run.checkpoint).values()) == {1.0}
    runs.forget(name)


def check_learning(seen, cfg, steps):
    """Asserts of what a Witness saw that each part of a network learned."""
    assert seen['shapes'] == [[BATCH, 3, CROP, CROP]] * steps
    assert np.isfinite(seen['losses']).all() and min(seen['losses']) > 0
    # a rate of 6e-13, where some leaves begin, moves what is 0: biases
    assert seen['changed'] > 0
    assert (seen['frozen'], seen['idle'], seen['broken']) == ([], [], [])
    # blocks that stochastic depth skips for the whole batch get no gradient
    assert len(seen['untouched']) < 0.2 * seen['parameters'], seen['untouched']
    assert len(seen['schedulers']) == len(cfg.param_scheduler)
    assert all(taken == due > 0 for taken, due in seen['schedulers']), seen['schedulers']
    assert 0 < seen['after'] < 10 * max(seen['losses'])
    if cfg.optim_wrapper.type == 'AmpOptimWrapper':
        assert seen['bad_gradients'] == []
        assert seen['bfloat16'] == pytest.approx(seen['after'], rel=0.02)


def check_beginning(run, name):
    """Asserts that a leaf began with weights, and that they fitted."""
    cfg = run.small
    init = cfg.model.backbone.get('init_cfg') or {}
    loaded = cfg.get('load_from') or cfg.model.get('pretrained') or init.get('checkpoint')
    if loaded:
        shares = _shares_filled(run.log, loaded)
        due = {'backbone', 'decode_head'} if cfg.get('load_from') else {'backbone'}
        assert due <= set(shares)
        assert shares == dict(dict.fromkeys(shares, 1.0), **FILLED.get(name, {}))
    elif cfg.model.backbone.type == 'TIMMBackbone':
        # its download is off here
        assert run.leaf.model.backbone.pretrained is True
    else:
        assert re.match(FROM_NOTHING, name), f'{name} begins with random weights'


def _indicators(leaf):
    """The scores by which a leaf's checkpoint hook chooses the best."""
    hook = (leaf.get('default_hooks') or {}).get('checkpoint')
    return set(HOOKS.build(hook).save_best or []) if hook else set()


def _shares_filled(log, file):
    """The share of each part's tensors that a file filled, as the load report says it."""
    (said,) = re.findall(rf'loaded \S+={re.escape(str(file))}: (.*)', log)
    counts = re.findall(r'(\w+) (\d+)/(\d+)', said)
    return {part: int(filled) / int(total) for part, filled, total in counts}
