"""Leaves that people have from MMSegmentation work when they are dropped into configs/."""

import json
import shutil
import sys
from pathlib import Path

import mmseg
import pytest
from conftest import ROOT
from mmengine.config import Config

from mmseg_ext.engine.config import complete_config
from mmseg_ext.prepare.voc_aug import convert

STOCK = Path(mmseg.__file__).parent / '.mim/configs'
PIECES = {path.stem for path in (ROOT / 'configs/_base_').rglob('*.py')}
# differ on purpose: our Runner, TensorBoard beside the log, exact counts per class
OURS = {'runner_type', 'vis_backends', 'visualizer', 'val_evaluator', 'test_evaluator'}

pytestmark = pytest.mark.skipif(not STOCK.is_dir(), reason='mmsegmentation without its configs')


def fits(leaf):
    """Whether our pieces are all that a stock leaf inherits, directly or through a sibling."""
    text = leaf.read_text()
    bases = [word for word in text.replace("'", ' ').split() if word.endswith('.py')]
    return all(
        Path(base).stem in PIECES if '_base_' in base else fits(leaf.parent / base)
        for base in bases
    )


LEAVES = [
    leaf
    for family in ('segformer', 'upernet')
    for leaf in sorted((STOCK / family).glob('*.py'))
    if fits(leaf)
]


def drop_in(family, tmp_path):
    shutil.copytree(ROOT / 'configs/_base_', tmp_path / '_base_', dirs_exist_ok=True)
    return Path(shutil.copytree(STOCK / family, tmp_path / family, dirs_exist_ok=True))


def comparable(cfg):
    return {key: value for key, value in cfg.to_dict().items() if key not in OURS}


def test_there_are_leaves_to_drop_in():
    names = {leaf.name for leaf in LEAVES}
    assert 'segformer_mit-b2_8xb2-160k_ade20k-512x512.py' in names
    assert 'upernet_r50_4xb4-20k_voc12aug-512x512.py' in names
    assert len(names) >= 10


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda leaf: leaf.stem)
def test_a_stock_leaf_resolves_to_what_it_was(leaf, tmp_path):
    ours = Config.fromfile(drop_in(leaf.parent.name, tmp_path) / leaf.name)
    stock = Config.fromfile(leaf)
    complete_config(ours)
    complete_config(stock)
    assert comparable(ours) == comparable(stock)
    assert ours.val_evaluator.iou_metrics == stock.val_evaluator.iou_metrics


@pytest.mark.slow
def test_a_users_leaf_over_a_stock_leaf_trains_on_voc_and_sbd(demo_root, run, tmp_path):
    tree = shutil.copytree(demo_root, tmp_path / 'demo')
    voc = tree / 'VOCdevkit/VOC2012'
    convert(voc.parent, tree / 'benchmark_RELEASE', voc / 'SegmentationClassAug', num_processes=1)
    folder = drop_in('upernet', tmp_path / 'configs')
    leaf = folder / 'my_upernet.py'
    leaf.write_text(f"""
_base_ = './upernet_r50_4xb4-20k_voc12aug-512x512.py'
data_root = '{voc}'
crop_size = (64, 64)
model = dict(pretrained=None, data_preprocessor=dict(size=crop_size))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion'),
    dict(type='Pad', size=crop_size), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=1,
    dataset=dict(datasets=[dict(_base_.dataset_train, pipeline=train_pipeline),
                           dict(_base_.dataset_aug, pipeline=train_pipeline)]))
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
val_dataloader = dict(num_workers=1, dataset=dict(indices=2, pipeline=test_pipeline))
train_cfg = dict(max_iters=2, val_interval=2)
""")
    run(sys.executable, 'tools/train.py', leaf, '--work-dir', tmp_path / 'run')
    (entry,) = json.loads((tmp_path / 'run/metrics.json').read_text())['validations']
    assert entry['iter'] == 2 and 'mIoU' in entry['metrics']
    cfg = Config.fromfile(tmp_path / 'run/my_upernet.py')
    assert [part.data_root for part in cfg.train_dataloader.dataset.datasets] == [str(voc)] * 2
