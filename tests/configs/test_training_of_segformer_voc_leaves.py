"""A step of training, validation, saving and reloading: SegFormer-B2 on VOC 2012 + SBD and COCO."""

import pytest
from shrunk import check, leaves_of


@pytest.mark.parametrize('name', leaves_of('voc'))
def test_a_leaf_trains_a_step_under_the_stock_tool_and_reloads(name, leaf_runs):
    check(leaf_runs, name)
