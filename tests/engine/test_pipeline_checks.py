import copy
import re

import pytest
from conftest import load_run_config

from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import CutMix, PackSegInputs

FLIP = dict(type='mmseg_ext.RandomFlip', prob=0.5, on_device=True)
COLOUR = dict(type='mmseg_ext.PhotoMetricDistortion', on_device=True)
OURS = dict(type='mmseg_ext.PackSegInputs')
BOTH = ('img_path', 'on_device')


class Packer(PackSegInputs):
    """Somebody's own."""


@pytest.fixture
def cfg(tiny):
    complete_config(tiny)
    tiny.model.data_preprocessor.type = 'mmseg_ext.SegDataPreProcessor'
    return tiny


def set_pipeline(cfg, *steps, dataset=None):
    dataset = dataset or cfg.train_dataloader.dataset
    dataset.pipeline = [*dataset.pipeline[:3], *map(copy.deepcopy, steps)]


def refused(cfg, message):
    with pytest.raises(UsageError, match=message):
        preflight.check(cfg)


@pytest.mark.parametrize(
    'pack', [OURS, dict(OURS, meta_keys=BOTH), dict(type='PackSegInputs', meta_keys=BOTH),
             dict(type=PackSegInputs), dict(type=Packer)], ids=str,
)  # fmt: skip
def test_work_that_gets_to_the_device_passes(cfg, pack):
    set_pipeline(cfg, FLIP, COLOUR, pack)
    preflight.check(cfg)


@pytest.mark.parametrize(
    'steps',
    [
        [FLIP, dict(type='PackSegInputs')],
        [FLIP, dict(type='PackSegInputs', meta_keys=('img_path', 'flip'))],
        [FLIP],
        [dict(type='RandomApply', transforms=[FLIP]), dict(type='PackSegInputs')],
    ],
    ids=str,
)
def test_work_that_would_be_lost_on_the_way_is_refused(cfg, steps):
    set_pipeline(cfg, *steps)
    refused(
        cfg,
        r'train_dataloader\.dataset\.pipeline\[3\].*\.on_device=True: .*lost.*; end train_dataload'
        r"er\.dataset\.pipeline with dict\(type='mmseg_ext\.PackSegInputs'\).*meta_keys",
    )


@pytest.mark.parametrize('part', ['val_dataloader', 'test_dataloader', 'tta_pipeline'])
@pytest.mark.parametrize('training', [True, False])
def test_evaluation_cannot_leave_work(cfg, part, training):
    if part == 'tta_pipeline':
        place = r'tta_pipeline\[1\]\.transforms\[1\]\[0\]'
        cfg.tta_pipeline[1].transforms.insert(1, [FLIP, dict(FLIP, on_device=False)])
    else:
        place = rf'{part}\.dataset\.pipeline\[1\]'
        cfg[part].dataset.pipeline = [*cfg[part].dataset.pipeline]
        cfg[part].dataset.pipeline.insert(1, FLIP)
        cfg[part].dataset.pipeline[-1] = OURS
    if not training:
        cfg.train_cfg = None
    refused(cfg, rf'{place}\.on_device=True: only in training .*; take on_device out')


@pytest.mark.parametrize('where', ['inner', 'outer'])
def test_only_the_outermost_pipeline_of_a_mosaic_may_leave_work(cfg, where):
    leaf = cfg.train_dataloader.dataset
    inner = [FLIP] if where == 'inner' else []
    set_pipeline(cfg, *inner, dataset=leaf)
    mosaic = dict(type='RandomMosaic', img_scale=(32, 32), prob=1.0)
    cfg.train_dataloader.dataset = dict(
        type='MultiImageMixDataset',
        dataset=dict(type='ConcatDataset', datasets=[leaf]),
        pipeline=[mosaic, FLIP, OURS],
    )
    if where == 'outer':
        preflight.check(cfg)
    else:
        refused(
            cfg,
            r'train_dataloader\.dataset\.dataset\.datasets\[0\]\.pipeline\[3\]\.on_device=True: '
            r'train_dataloader\.dataset\.pipeline goes on .* move the step there',
        )


@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset', 'ClassBalancedDataset'])
def test_wrappers_that_pass_samples_on_may_have_it_inside(cfg, wrapper):
    leaf = cfg.train_dataloader.dataset
    set_pipeline(cfg, FLIP, COLOUR, OURS)
    settings = dict(
        ConcatDataset=dict(datasets=[leaf, leaf]),
        RepeatDataset=dict(dataset=leaf, times=2),
        ClassBalancedDataset=dict(dataset=leaf, oversample_thr=0.1),
    )
    cfg.train_dataloader.dataset = dict(type=wrapper, **settings[wrapper])
    preflight.check(cfg)


@pytest.mark.parametrize('part', ['train_dataloader', 'val_dataloader'])
@pytest.mark.parametrize('wrapped', [False, True])
@pytest.mark.parametrize(
    ('step', 'snippet'),
    [
        (dict(type='mmseg_ext.MixUp', alpha=0.4), "type='mmseg_ext.MixUp', alpha=0.4"),
        (dict(type='mmseg_ext.CopyPaste', classes=[1]), "type='mmseg_ext.CopyPaste', classes=.1."),
        (dict(type=CutMix), "type='mmseg_ext.CutMix'"),
    ],
    ids=str,
)
def test_mixtures_do_not_belong_in_pipelines(cfg, part, wrapped, step, snippet):
    pipeline = [*cfg[part].dataset.pipeline]
    pipeline.insert(2, dict(type='RandomApply', transforms=[step]) if wrapped else step)
    cfg[part].dataset.pipeline = pipeline
    message = rf'set model\.data_preprocessor=.*batch_augments=\[dict\({snippet}\)\]'
    refused(cfg, rf'{part}\.dataset\.pipeline\[2\].*: .* one sample at a time; .*{message}')


@pytest.mark.parametrize(
    'step, message',
    [
        (
            dict(type='mmseg_ext.RandomResizeCrop', crop_size=4, ratio_range=(0.5, 2.0)),
            r'train_dataloader.dataset.pipeline\[3\]: RandomResizeCrop does not build: .*no effect',
        ),
        (dict(type='mmseg_ext.RandomErasing', probability=0.5), "RandomErasing.*'probability'"),
        # an assertion of the stock class, whose message is about something else
        (dict(type='RandomRotate', prob=2, degree=1), 'RandomRotate does not build: Assertion'),
        (dict(type=Packer, meta_keys=('img_path',)), 'Packer does not build: .*on_device'),
    ],
)
def test_a_transform_that_does_not_build_is_named(cfg, step, message):
    set_pipeline(cfg, step, OURS)
    refused(cfg, message)


PIPELINE = """
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
"""
LOADER = 'train_dataloader = dict(dataset=dict(pipeline=train_pipeline))\n'


def load(file):
    cfg = load_run_config(file)
    complete_config(cfg)
    return cfg


def test_a_pipeline_that_no_loader_takes_is_refused(tiny_config, tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f"_base_ = ['{tiny_config}']\n{PIPELINE}")
    message = rf'{leaf}: train_pipeline has no effect.*set {re.escape(LOADER.split(" ")[0])}='
    refused(load(leaf), message)
    leaf.write_text(f"_base_ = ['{tiny_config}']\n{PIPELINE}{LOADER}")
    preflight.check(load(leaf))
    # an heir of it may leave both alone, or change the loader by itself
    heir = tmp_path / 'heir.py'
    heir.write_text(f"_base_ = ['{leaf}']\ntrain_dataloader = dict(batch_size=2)\n")
    preflight.check(load(heir))
    # what the loader has already may be said again
    heir.write_text(f"_base_ = ['{leaf}']\n{PIPELINE}")
    preflight.check(load(heir))
    heir.write_text(f"_base_ = ['{leaf}']\ntest_pipeline = [dict(type='LoadImageFromFile')]\n")
    refused(load(heir), 'test_pipeline has no effect.*val_dataloader=.*test_dataloader=')
