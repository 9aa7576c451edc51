"""A leaf says what differs from its parent, in a few lines that no other leaf repeats."""

import ast
import re
from itertools import combinations
from statistics import median

import pytest
from conftest import ROOT
from mmengine.config import Config

from mmseg_ext.engine.config import find_configs

LEAVES = find_configs(ROOT / 'configs')
# what each leaf has to say for itself: the pieces leave it open
PLACES = re.compile(
    r'_base_.*|.*\._delete_|.*\.num_classes|model\.data_preprocessor\.size'
    r'|train_dataloader\.(batch_size|num_workers|sampler.*)'
)
# what is not said again but taken from elsewhere
TAKEN = re.compile(r'_base_|^train_pipeline$')
BLOCK = 4  # settings


def settings(path):
    """Dotted path and source of each setting of a leaf, dicts and lists taken apart."""

    def walk(name, node):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict':
            for word in node.keywords:
                yield from walk(f'{name}.{word.arg}', word.value)
        elif isinstance(node, ast.List):
            for index, item in enumerate(node.elts):
                yield from walk(f'{name}[{index}]', item)
        elif not PLACES.fullmatch(name) and not TAKEN.search(ast.unparse(node)):
            yield name, ast.unparse(node)

    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            yield from walk(node.targets[0].id, node.value)


def count_lines(path):
    lines = path.read_text().splitlines()
    docstring = ast.parse('\n'.join(lines)).body[0]
    rest = [line.strip() for line in lines[docstring.end_lineno :]]
    return sum(bool(line) and not line.startswith('#') for line in rest)


def test_the_median_leaf_has_at_most_25_lines_of_settings():
    assert median(map(count_lines, LEAVES)) <= 25


def test_no_two_leaves_share_a_block_beyond_network_and_data():
    said = {path.stem: set(settings(path)) for path in LEAVES}
    shared = {pair: said[pair[0]] & said[pair[1]] for pair in combinations(said, 2)}
    assert {pair: block for pair, block in shared.items() if len(block) >= BLOCK} == {}


def test_a_shared_block_would_be_found(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text('model = dict(decode_head=dict(num_classes=3, loss=[dict(a=1, b=(2, 3))]))\n')
    assert set(settings(leaf)) == {
        ('model.decode_head.loss[0].a', '1'),
        ('model.decode_head.loss[0].b', '(2, 3)'),
    }


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_options_that_a_leaf_names_change_settings_that_it_has(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    _, _, option = text.partition('\nOption:')
    words = option.partition('\nResult:')[0].split()
    options = [word.split('=') for word in words if '=' in word]
    assert bool(option) == bool(options)
    for key, value in options:
        node = Config.fromfile(path)
        *parents, last = key.split('.')
        for name in parents:
            node = node[name]
        assert node[last] != ast.literal_eval(value)
