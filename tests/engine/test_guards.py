import argparse

import pytest
from mmengine.config import Config

from mmseg_ext.engine.cli import apply_guards
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import Guards, read_guards


def test_what_a_config_sets_and_what_it_leaves_out():
    guards = read_guards(Config(dict(guards=dict(backbone_share=0.5))))
    assert guards == Guards(backbone_share=0.5)
    assert read_guards(Config(dict())) == Guards()


def test_a_name_that_no_guard_knows():
    with pytest.raises(UsageError, match=r'guards\.alow_missing .*did you mean allow_missing'):
        read_guards(Config(dict(guards=dict(alow_missing=True))))


def test_a_share_in_percent():
    with pytest.raises(UsageError, match=r'backbone_share=90 is not between 0 and 1'):
        read_guards(Config(dict(guards=dict(backbone_share=90))))


def test_a_switch_takes_effect_where_the_config_has_no_guards():
    cfg = Config(dict(model=None))
    apply_guards(cfg, argparse.Namespace(allow_missing=True, strict=False))
    assert cfg.guards == dict(allow_missing=True)


def test_a_switch_that_is_off_leaves_the_config_alone():
    cfg = Config(dict(guards=dict(strict=True)))
    args = argparse.Namespace(strict=False, unsafe_load=True, resume_anyway=False)
    apply_guards(cfg, args)
    assert cfg.guards == dict(strict=True, unsafe_load=True)
