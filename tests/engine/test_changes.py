import copy
import inspect
import re
from pathlib import Path

import mmengine.runner
import mmseg
import pytest
from conftest import ROOT
from mmengine.config import Config

from mmseg_ext.engine.changes import (
    OTHER_SECTIONS,
    SECTIONS,
    Difference,
    Effect,
    classify,
    compare,
)
from mmseg_ext.engine.config import complete_config

STATE = dict(optimizer=dict(param_groups=[]), param_schedulers=[], state_dict={}, meta=dict(seed=0))


def said(old, new):
    return [str(difference) for difference in compare(old, new)]


def test_a_config_equals_itself_whatever_the_order():
    cfg = Config.fromfile(next(ROOT.glob('configs/*/*camvid*.py')))
    complete_config(cfg)
    old = cfg.to_dict()
    new = dict(reversed(copy.deepcopy(old).items()))
    new['optim_wrapper'] = dict(reversed(new['optim_wrapper'].items()))
    assert said(old, new) == []


def test_paths_lead_into_lists():
    schedule = [dict(type='LinearLR', end=2), dict(type='PolyLR', end=200)]
    longer = [schedule[0], dict(type='PolyLR', end=400)]
    assert said(dict(param_scheduler=schedule), dict(param_scheduler=longer)) == [
        'param_scheduler[1].end 200 -> 400'
    ]


def test_lists_of_other_lengths_are_named_by_their_types():
    load = dict(type='LoadImageFromFile')
    old, new = (
        dict(train_dataloader=dict(dataset=dict(pipeline=pipeline)))
        for pipeline in ([load], [load, dict(type='RandomFlip', prob=0.5)])
    )
    assert said(old, new) == [
        'train_dataloader.dataset.pipeline [LoadImageFromFile] -> [LoadImageFromFile, RandomFlip]'
    ]


def test_arguments_of_another_class_are_no_changes_of_their_own():
    old = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)))
    new = dict(optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.2, betas=(0.9, 0.999))))
    assert said(old, new) == [
        'optim_wrapper.optimizer.lr 0.1 -> 0.2',
        "optim_wrapper.optimizer.type 'SGD' -> 'AdamW'",
    ]


@pytest.mark.parametrize(
    'old, new',
    [
        (dict(optim_wrapper=dict(clip_grad=None)), dict(optim_wrapper=dict())),
        (dict(randomness=dict(seed=None)), dict()),
        (dict(param_scheduler=dict(type='PolyLR')), dict(param_scheduler=[dict(type='PolyLR')])),
        (dict(model=dict(mean=(1, 2.0))), dict(model=dict(mean=[1.0, 2]))),
        (dict(model=dict(a=float('nan'))), dict(model=dict(a=float('nan')))),
        (dict(work_dir='a', launcher='none', lr=1), dict(work_dir='b', launcher='pytorch', lr=2)),
        (
            dict(default_hooks=dict(logger=dict(type='LoggerHook', interval=50))),
            dict(default_hooks=dict(curves=dict(type='mmseg_ext.CurvesHook'))),
        ),
    ],
)
def test_what_makes_no_difference(old, new):
    assert said(old, new) == []


def test_a_long_value_is_cut():
    (line,) = said(dict(model=dict(name='a' * 300)), dict())
    assert len(line) < 100 and line.endswith('... -> (not set)')


@pytest.mark.parametrize('missing', ['optimizer', 'param_schedulers', 'state_dict', 'meta'])
def test_only_a_state_that_is_there_overrules(missing):
    paths = dict(
        optimizer='optim_wrapper.optimizer.lr',
        param_schedulers='param_scheduler[1].end',
        state_dict='model.backbone.init_cfg.checkpoint',
        meta='randomness.seed',
    )
    for part, path in paths.items():
        checkpoint = {key: value for key, value in STATE.items() if key != missing}
        taken = classify(Difference(path, 1, 2), checkpoint) is Effect.TAKEN
        assert taken == (part == missing)


@pytest.mark.parametrize(
    'path',
    [
        'model.backbone.drop_path_rate',
        'model.decode_head.loss_decode[0].loss_weight',
        'optim_wrapper.optimizer_like',
        'custom_hooks[0].seed',
        'train_dataloader.sampler.seed',
    ],
)
def test_names_that_only_look_like_a_state(path):
    assert classify(Difference(path, 1, 2), STATE) is Effect.TAKEN


# Not sections: where a run is and what it is called, and what acts through the datasets.
NAMES = {'work_dir', 'launcher', 'experiment_name', 'data_root'}
READ = re.compile(
    r"""\bcfg(?:\.get\(\s*|\[)['"](\w+)['"]|\bcfg\.([a-z]\w+)|['"](\w+)['"] in cfg\b"""
)


def readers():
    """The code that reads a config: MMEngine's, MMSegmentation's tools, ours."""
    runners = [mmengine.runner.Runner, mmengine.runner.FlexibleRunner]
    files = [Path(inspect.getsourcefile(each)) for each in runners]
    stock = Path(mmseg.__file__).parent
    for folder in (stock / '.mim/tools', stock.parent / 'tools', ROOT / 'tools'):
        files += [folder / 'train.py', folder / 'test.py']
    files += [stock / 'apis/utils.py', *(ROOT / 'mmseg_ext/engine').glob('*.py')]
    return [file for file in files if file.is_file()]


def test_whatever_reads_a_config_reads_known_sections():
    found = {}
    for file in readers():
        for match in READ.finditer(file.read_text()):
            found.setdefault(next(filter(None, match.groups())), file.name)
    unknown = {
        name: file
        for name, file in found.items()
        if name not in {*SECTIONS, *OTHER_SECTIONS, *NAMES, *dir(Config), *dir(dict)}
    }
    assert unknown == {}
    assert set(found) > {'model', 'strategy', 'test_pipeline', 'guards', 'runner_type', *NAMES}
