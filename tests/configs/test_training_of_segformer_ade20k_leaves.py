"""A step of training, validation, saving and reloading: SegFormer-B2 on ADE20K."""

import shutil

import pytest
from shrunk import Runs, check, find_stock_tool, leaves_of

pytestmark = pytest.mark.skipif(
    not find_stock_tool('train.py'), reason='mmsegmentation without its tools'
)


@pytest.fixture(scope='module')
def runs(tmp_path_factory, demo_root):
    folder = tmp_path_factory.mktemp('leaves')
    yield Runs(folder, demo_root)
    shutil.rmtree(folder)  # hundreds of MB, which pytest would keep three times


@pytest.mark.parametrize('name', leaves_of('ade20k'))
def test_a_leaf_trains_a_step_under_the_stock_tool_and_reloads(name, runs):
    check(runs, name)
    runs.forget(name)
