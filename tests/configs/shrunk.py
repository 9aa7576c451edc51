"""A leaf made so small that a training step takes a second, and what such a run did."""

import dataclasses
import json
import os
import re
import runpy
import shutil
import sys
from pathlib import Path
from unittest import mock

import mmseg
import numpy as np
import pytest
import torch
from conftest import ROOT, load_unformatted, name_run
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import HOOKS, init_default_scope
from PIL import Image
from stand_in_timm import timm_or_stand_in

from mmseg_ext.engine.checkpoint.files import find_fault
from mmseg_ext.engine.checkpoint.matching import unwrap
from mmseg_ext.engine.config import find_dicts, is_by_epoch
from mmseg_ext.engine.errors import UsageError, silence_known_warnings
from mmseg_ext.engine.preflight import find_datasets

CONFIGS = ROOT / 'configs'
LEAVES = {path.stem: path for path in sorted(CONFIGS.rglob('*.py')) if '_base_' not in path.parts}
# MMSegmentation keeps its tools in its package, or beside it in a checkout
STOCK_TOOLS = [
    Path(mmseg.__file__).parent / '.mim/tools',
    Path(mmseg.__file__).parents[1] / 'tools',
]
CROP = 64  # pixels: the deepest stage of a network still has 2x2
BATCH = 2  # the fewest with which BatchNorm normalises the 1x1 of a pyramid
IMAGES = 2  # in each list
# what counts pixels, wherever it stands: `stride` belongs to the crops of a sliding window
PIXELS = ('size', 'crop_size', 'scale', 'stride')
# of each data set its lists or folders: (images, masks, list or None, split of the demo)
VOC = [
    ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/train.txt', 'train'),
    ('JPEGImages', 'SegmentationClassAug', 'ImageSets/Segmentation/aug.txt', 'aug'),
    ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/val.txt', 'val'),
]
TREES = {
    'data/VOCdevkit/VOC2012': VOC,
    'data/demo/VOCdevkit/VOC2012': VOC,
    'data/coco': [
        ('train2017', 'voc_classes/train2017', 'voc_classes/train.txt', 'train'),
        ('val2017', 'voc_classes/val2017', 'voc_classes/val.txt', 'val'),
    ],
    'data/ade/ADEChallengeData2016': [
        ('images/training', 'annotations/training', None, 'train'),
        ('images/validation', 'annotations/validation', None, 'val'),
    ],
    'data/camvid': [
        ('images/train', 'annotations/train', None, 'train'),
        ('images/val', 'annotations/val', None, 'val'),
    ],
}
NUM_CLASSES = {'data/camvid': 11}  # where there are fewer than the demo has
# Test files run side by side, each in a process: no leaf of one loads another one's checkpoint.
GROUPS = dict(ade20k='segformer_mit-b2_.*_ade20k-', voc='segformer_mit-b2_.*_(voc12aug|coco)-')
# ResNetV1c begins with three convolutions, torchvision's file with one: 15 tensors stay random
FILLED = {'upernet_r50_2xb4-200e_voc12aug-512x512_v1': 260 / 275}


@HOOKS.register_module()
class Witness(Hook):
    """Writes down in witness.json what a training did that its files do not show."""

    priority = 'LOWEST'

    def __init__(self):
        self.shapes, self.losses, self.before, self.batch = [], [], {}, None

    def before_train(self, runner):
        self.before = {name: p.detach().clone() for name, p in runner.model.named_parameters()}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batch = data_batch
        if runner.iter >= runner.max_iters:
            raise RuntimeError('the epoch does not end: an InfiniteSampler in an epoch loop?')
        inputs = runner.model.data_preprocessor(dict(data_batch), training=True)['inputs']
        self.shapes.append(list(inputs.shape))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].item())

    def after_train(self, runner):
        model, optimizer = unwrap(runner.model), runner.optim_wrapper.optimizer
        learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
        facts = dict(
            shapes=self.shapes,
            losses=self.losses,
            parameters=len(learned),
            changed=sum(not torch.equal(p, self.before[name]) for name, p in learned.items()),
            untouched=[name for name, p in learned.items() if not _moved(optimizer.state.get(p))],
        )
        if runner.cfg.optim_wrapper.type == 'AmpOptimWrapper':
            facts.update(self._train_in_bfloat16(model))
        Path(runner.work_dir, 'witness.json').write_text(json.dumps(facts))

    def _train_in_bfloat16(self, model):
        """Loss in float32 and bfloat16 of the same batch and draws, and bad gradients of that."""
        losses = []
        batch = model.train().data_preprocessor(self.batch, training=True)
        for is_amp in (False, True):
            torch.manual_seed(0)
            model.zero_grad()
            with torch.autocast('cpu', dtype=torch.bfloat16, enabled=is_amp):
                loss, _ = model.parse_losses(model(**batch, mode='loss'))
            losses.append(loss)
        losses[-1].backward()
        bad = [name for name, p in model.named_parameters() if not _is_finite(p.grad)]
        return dict(float32=losses[0].item(), bfloat16=losses[1].item(), bad_gradients=bad)


def _moved(state):
    """Whether an optimizer has seen a gradient of a parameter, and only finite ones."""
    moments = [state.get(key) for key in ('exp_avg', 'momentum_buffer')] if state else []
    moments = [moment for moment in moments if moment is not None]
    return bool(moments) and all(0 < m.abs().sum() < float('inf') for m in moments)


def _is_finite(gradient):
    return gradient is None or bool(gradient.isfinite().all())


@dataclasses.dataclass
class Run:
    """A leaf's shrunk training.

    Attributes:
        config: The shrunk config.
        work_dir: What the run left.
    """

    config: Path
    work_dir: Path

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
        self.folder, self.demo_root = folder, demo_root
        self.done, self.files = {}, {}

    def train(self, name):
        """Trains a leaf, after the one whose checkpoint it loads."""
        if name not in self.done:
            run = Run(self.folder / f'{name}.py', self.folder / name)
            cfg = self.shrink(LEAVES[name])
            cfg.dump(run.config)
            command = [find_stock_tool('train.py'), run.config, '--work-dir', run.work_dir]
            if cfg.get('guards', {}).get('strict'):
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
        """A leaf's config with small data, crops and loops; all that is learned stays as it is.

        Raises:
            ValueError: It has something that this function does not know.
        """
        cfg = Config.fromfile(leaf)
        factor = CROP / max(cfg.model.data_preprocessor['size'])
        small = _rebuild(cfg.to_dict(), lambda node: self._shrink_dict(leaf.name, node, factor))
        cfg = Config(small, format_python_code=False)
        datasets = list(find_datasets('train', cfg.train_dataloader.dataset))
        if not 1 <= len(datasets) <= BATCH:
            raise ValueError(f'{leaf.name}: {len(datasets)} training sets do not fill a batch')
        for _, dataset in datasets:
            dataset.indices = BATCH // len(datasets)  # an epoch is one step
        cfg.train_dataloader.batch_size = BATCH
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.num_workers, loader.persistent_workers = 0, False
            loader.pop('prefetch_factor', None)

        steps = cfg.optim_wrapper.get('accumulative_counts', 1)
        unit = 'epochs' if is_by_epoch(cfg) else 'iters'
        cfg.train_cfg.update({f'max_{unit}': steps, 'val_interval': steps})
        hooks = dict(cfg.get('default_hooks') or {})
        hooks['logger'] = dict(hooks.get('logger') or dict(type='LoggerHook'), interval=1)
        # one file is enough, and the optimizer is twice the network
        saved = dict(type='CheckpointHook', interval=steps, save_best=None, save_optimizer=False)
        hooks['checkpoint'] = dict(hooks.get('checkpoint') or {}, **saved)
        # they have tests of their own, and take longer than the step
        hooks.update(curves=None, val_sheet=None, provenance=None)
        cfg.default_hooks = hooks
        cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='Witness')]
        cfg.setdefault('randomness', dict(seed=0))
        self._replace_weights(leaf.name, cfg)
        name_run(cfg)
        return cfg

    def _shrink_dict(self, leaf, node, factor):
        node = dict(node)
        for key in PIXELS:
            if key in node and (key != 'stride' or 'crop_size' in node):
                node[key] = _scale(node[key], factor)
        if 'min_kept' in node:
            node['min_kept'] = round(node['min_kept'] * factor**2)  # a number of pixels, for OHEM
        root = node.get('data_root')
        if root:
            if root not in TREES:
                raise ValueError(f'{leaf}: there is no small tree for {root}: add it to TREES')
            node['data_root'] = str(self._tree(root))
        return node

    def _tree(self, root):
        """Writes a few of the demo's images in the layout of a data set."""
        out = self.folder / root
        if not out.exists():
            for images, masks, listed, split in TREES[root]:
                names = self._copy(split, out / images, out / masks, NUM_CLASSES.get(root))
                if listed:
                    (out / listed).parent.mkdir(parents=True, exist_ok=True)
                    (out / listed).write_text('\n'.join(names))
        return out

    def _copy(self, split, images, masks, num_classes):
        voc = self.demo_root / 'VOCdevkit/VOC2012'
        names = (voc / f'ImageSets/Segmentation/{split.replace("aug", "train")}.txt').read_text()
        start = IMAGES * (split == 'aug')  # train's next ones stand for those of SBD
        names = names.split()[start : start + IMAGES]
        for folder in (images, masks):
            folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(voc / f'JPEGImages/{name}.jpg', images)
            mask = np.array(Image.open(voc / f'SegmentationClass/{name}.png'))
            if num_classes:
                mask[mask != 255] %= num_classes
            Image.fromarray(mask).save(masks / f'{name}.png')
        return names

    def _replace_weights(self, leaf, cfg):
        """Puts small stand-ins' places for what is downloaded or made by hand: same names."""
        backbone = cfg.model.backbone
        if backbone.type == 'TIMMBackbone':
            backbone.pretrained = False  # timm's own download, which no file replaces
        if cfg.model.get('pretrained'):
            cfg.model.pretrained = self._weights(cfg.model.pretrained, backbone)
        for path, init in find_dicts(dict(model=cfg.model), 'checkpoint'):
            if path != 'model.backbone.init_cfg':
                raise ValueError(f'{leaf}: {path} loads {init["checkpoint"]}: that is new here')
            init.checkpoint = self._weights(init.checkpoint, backbone)
        if cfg.get('load_from'):
            source = re.fullmatch(r'work_dirs/([^/]+)/(epoch|iter)_\d+\.pth', cfg.load_from)
            if not source or source[1] not in LEAVES:
                raise ValueError(f'{leaf}: load_from={cfg.load_from} is no checkpoint of a leaf')
            cfg.load_from = str(self.train(source[1]).checkpoint)

    def _weights(self, source, backbone):
        """Writes a file with the tensors that the named one has, drawn anew."""
        build = {k: v for k, v in backbone.to_dict().items() if k not in ('init_cfg', 'pretrained')}
        if source.startswith('torchvision://'):
            build['type'] = 'ResNet'  # the only one whose names are torchvision's
        key = repr(build)
        if key not in self.files:
            file = self.folder / f'weights/{len(self.files)}.pth'
            file.parent.mkdir(exist_ok=True)
            init_default_scope('mmseg')
            network = revert_sync_batchnorm(mmseg.registry.MODELS.build(build))
            weights = network.state_dict()
            if 'ResNet' in build['type']:
                # the classifier that such files have
                weights |= {'fc.weight': torch.zeros(1000, 2048), 'fc.bias': torch.zeros(1000)}
            torch.save(dict(meta={}, state_dict=weights), file)
            self.files[key] = str(file)
        return self.files[key]


def leaves_of(group):
    """Names of the leaves of one test file; ``None``: of those that are in no group."""
    of = {
        name: next((key for key, pattern in GROUPS.items() if re.match(pattern, name)), None)
        for name in LEAVES
    }
    return [name for name in LEAVES if of[name] == group]


def find_stock_tool(name):
    """A tool of the installed MMSegmentation, None if it comes without."""
    return next((path / name for path in STOCK_TOOLS if (path / name).is_file()), None)


def run_tool(tool, *words):
    """Runs a command line in this process, which has done the imports."""
    silence_known_warnings()
    argv = mock.patch.object(sys, 'argv', [str(tool), *map(str, words)])
    plain = mock.patch.object(Config, 'fromfile', load_unformatted)
    # stock tools set LOCAL_RANK
    with argv, plain, mock.patch.dict(os.environ), timm_or_stand_in():
        runpy.run_path(str(tool), run_name='__main__')


def _rebuild(node, change):
    if isinstance(node, dict):
        return change({key: _rebuild(value, change) for key, value in node.items()})
    if isinstance(node, (list, tuple)):
        return type(node)(_rebuild(value, change) for value in node)
    return node


def _scale(size, factor):
    if isinstance(size, (list, tuple)):
        return type(size)(_scale(value, factor) for value in size)
    return round(size * factor) if isinstance(size, int) else size


def check(runs, name):
    """Trains a leaf a step, and checks what that left: losses, weights, scores, the checkpoint.

    Removes the checkpoint, unless another leaf loads it.
    """
    run = runs.train(name)
    seen, cfg = run.witness, Config.fromfile(run.config)
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    assert seen['shapes'] == [[BATCH, 3, CROP, CROP]] * steps
    assert np.isfinite(seen['losses']).all() and min(seen['losses']) > 0
    # a rate of 6e-13, where some leaves begin, moves what is 0: biases
    assert seen['changed'] > 0
    # blocks that stochastic depth skips for the whole batch get no gradient
    assert len(seen['untouched']) < 0.2 * seen['parameters'], seen['untouched']
    if cfg.optim_wrapper.type == 'AmpOptimWrapper':
        assert not seen['bad_gradients']
        assert seen['bfloat16'] == pytest.approx(seen['float32'], rel=0.02)
    (validation,) = run.validations
    assert validation['epoch' if is_by_epoch(cfg) else 'iter'] == steps
    assert find_fault(run.checkpoint) is None
    loaded = cfg.get('load_from') or cfg.model.get('pretrained') or _init_of(cfg)
    if loaded:
        assert _share_filled(run.log, loaded) == FILLED.get(name, 1.0)
    assert run.test() == pytest.approx(validation['metrics'], abs=0.01)
    assert _share_filled(run.log, run.checkpoint) == 1.0
    runs.forget(name)


def _init_of(cfg):
    return (cfg.model.backbone.get('init_cfg') or {}).get('checkpoint')


def _share_filled(log, file):
    """The share of the backbone's tensors that a file filled, as the load report says it."""
    (counts,) = re.findall(rf'loaded \S+={re.escape(str(file))}: backbone (\d+)/(\d+)', log)
    return int(counts[0]) / int(counts[1])
