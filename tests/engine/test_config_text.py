import math

import pytest
from conftest import ROOT
from mmengine.config import Config
from torch.optim import SGD

from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError

LEAVES = sorted(ROOT.glob('configs/*/*.py'))


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda leaf: leaf.stem)
def test_a_config_comes_back_as_it_was(leaf):
    cfg = Config.fromfile(leaf)
    assert parse_config_text(cfg.pretty_text) == cfg.to_dict()


def test_everything_that_pretty_text_writes():
    values = dict(
        infinite=[float('inf'), float('-inf')],
        keys=dict({'pos_block': 1, 'a.b': dict(lr_mult=-0.5), 3: ()}),
        nested=[(1, 'it\'s\n"so"'), [], (dict(a=None),)],
        kinds={1, 2},
        raw=b'x',
        flag=True,
    )
    assert parse_config_text(Config(values).pretty_text) == values
    assert math.isnan(parse_config_text(Config(dict(a=float('nan'))).pretty_text)['a'])


def test_a_class_is_its_name():
    try:
        text = Config(dict(optimizer=dict(type=SGD))).pretty_text
    except SyntaxError:
        pytest.skip("the OpenMMLab line's MMEngine cannot write a class")
    assert parse_config_text(text) == dict(optimizer=dict(type='torch.optim.sgd.SGD'))


@pytest.mark.parametrize(
    'text, named',
    [
        ('import os', 'import os'),
        ('a = __import__("os").system("id")', r"__import__\('os'\).system\('id'\)"),
        ('a = dict(b=[open("x", "w")])', r"open\('x', 'w'\)"),
        ('a = [x for x in (1, 2)]', r'\[x for x in'),
        ('a = (lambda: 1)()', 'lambda: 1'),
        ('a = dict(**{"b": 1})', r"dict\(\*\*{'b': 1}\)"),
        ('a = {**{}}', r'{\*\*{}}'),
        ('a = "x" * 10 ** 9', r"'x' \* 10 \*\* 9"),
        ('a = f"{print(1)}"', 'print'),
        ('a = open("x").b', r"open\('x'\).b"),
        ('a.b = 1', 'a.b = 1'),
        ('print(1)', r'print\(1\)'),
        ('def f(): pass', 'def f'),
        ('a = -"x"', "-'x'"),
    ],
)
def test_anything_else_is_refused_by_name(text, named):
    with pytest.raises(UsageError, match=f'holds .*{named}.*, which is no plain setting'):
        parse_config_text(text)


@pytest.mark.parametrize(
    'text', ['a = ', 'a = {[]: 1}', 'a = {[1]}', 'a = \0', 'a = ' + '[' * 5000, '-' * 9**5 + '1']
)
def test_what_is_no_source_is_refused(text):
    with pytest.raises(UsageError, match="the checkpoint's config cannot be read: "):
        parse_config_text(text)
