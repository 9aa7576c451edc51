"""Every leaf in configs/ says what is so of itself; test_training_of_* train each."""

import ast

import pytest
from conftest import ROOT

from mmseg_ext.engine.config import find_configs
from mmseg_ext.records.leaf_docstring import read_leaf
from mmseg_ext.records.lineage import check_leaf
from mmseg_ext.records.lineage_table import make_table, read_table
from mmseg_ext.records.lineage_tree import grow, read_leaves

CONFIGS = ROOT / 'configs'
LEAVES = find_configs(CONFIGS)
PIECES = sorted((CONFIGS / '_base_').rglob('*.py'))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_differs_from_its_parent_in_what_its_docstring_declares(path):
    assert '\n'.join(check_leaf(read_leaf(path))) == ''


def test_the_table_of_versions_is_the_generated_one():
    table = make_table(grow(read_leaves([CONFIGS])), ROOT)
    assert read_table(ROOT / 'README.md') == table, 'run tools/analysis_tools/lineage.py --update'


@pytest.mark.parametrize('path', PIECES, ids=lambda path: path.stem)
def test_a_piece_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
