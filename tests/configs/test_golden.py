"""The resolved configs hold the values of golden.json, which was written from the experiment notes.

A key of the file is a pattern of leaves; in a path ``[Name]`` is the element of that type, and
``{key}`` what each element of a list has under that key.
"""

import json
import re
from fnmatch import fnmatchcase

import pytest
from conftest import ROOT
from mmengine.config import Config

from mmseg_ext.engine.config import find_configs
from mmseg_ext.records.leaf_docstring import read_leaf

CONFIGS = ROOT / 'configs'
GOLDEN = json.loads((ROOT / 'tests/configs/golden.json').read_text())
LEAVES = {str(path.relative_to(CONFIGS).with_suffix('')): path for path in find_configs(CONFIGS)}
# what the experiment notes give as measured
MEASURED = {
    'upernet/upernet_r50_2xb4-200e_voc12-512x512_v1': '67.91 mIoU, 76.48 mAcc,',
    'upernet/upernet_r50_2xb4-200e_voc12aug-512x512_v1': '75.24 mIoU, 84.21 mAcc,',
    'segformer/segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1': '58.6 mIoU,',
    'segformer/segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2': '59.33 mIoU,',
    'segformer/segformer_mit-b2_3xb2-200e_ade20k-480x480_v1.1': '0 mIoU,',
    'segformer/segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.4': '26.60 mIoU, 36.25 mAcc, 74.09',
}


def find(node, path):
    for name, place, each in re.findall(r'([\w]+)|\[([^]]+)\]|\{(\w+)\}', path):
        if each:
            return [item.get(each) for item in node]
        if name:
            node = None if node is None else node.get(name)
        elif re.fullmatch(r'-?\d+', place):
            node = node[int(place)]
        else:
            (node,) = [item for item in node if item['type'] == place]
    return json.loads(json.dumps(node))  # tuples are lists


@pytest.mark.parametrize('pattern', GOLDEN)
def test_a_pattern_of_the_golden_file_names_leaves(pattern):
    assert any(fnmatchcase(name, pattern) for name in LEAVES)


@pytest.mark.parametrize('name', LEAVES)
def test_resolved_values_are_the_golden_ones(name):
    expected = {}
    for pattern, values in GOLDEN.items():
        if fnmatchcase(name, pattern):
            expected.update(values)
    if '_3xb' in name or '_2xb' in name:
        assert expected, f'{name} is of the line of experiments, and golden.json lacks it'
    cfg = Config.fromfile(LEAVES[name])
    assert {path: find(cfg, path) for path in expected} == expected


@pytest.mark.parametrize('name', MEASURED)
def test_measured_results_are_those_of_the_notes(name):
    assert read_leaf(LEAVES[name]).result.startswith(MEASURED[name])
