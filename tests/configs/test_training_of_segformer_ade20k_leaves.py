"""A step of training, validation, saving and reloading: SegFormer-B2 on ADE20K."""

import pytest
from shrunk import check, leaves_of


@pytest.mark.parametrize('name', leaves_of('ade20k'))
def test_a_leaf_trains_a_step_under_the_stock_tool_and_reloads(name, leaf_runs):
    check(leaf_runs, name)
