"""No setting of a leaf changes unnoticed: resolved.json holds them all.

Of a leaf without parent it has each setting, of the others what differs from the parent. After a
change that is meant, ``python tests/configs/test_resolved.py`` writes the file anew; read its diff.
"""

import json
from pathlib import Path

import pytest

from mmseg_ext.engine.config import find_configs
from mmseg_ext.records.leaf_docstring import read_leaf
from mmseg_ext.records.lineage import resolve

FILE = Path(__file__).parent / 'resolved.json'
CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = {file.stem: read_leaf(file) for file in find_configs(CONFIGS)}
# parts of configs that only the configs themselves read; they act through what takes them
VARIABLES = (
    'checkpoint',
    'crop',
    'crop_size',
    'cut_out',
    'data_preprocessor',
    'data_root',
    'dataset_aug',
    'dataset_train',
    'dataset_type',
    'img_ratios',
    'loss',
    'norm_cfg',
    'optimizer',
    'test_pipeline',
    'train_pipeline',
    'work_dir',
)


def flatten(node, path=''):
    """Dotted path and value of each setting; tuples are lists."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from flatten(value, f'{path}.{key}' if path else key)
    elif isinstance(node, (list, tuple)) and any(isinstance(item, dict) for item in node):
        for index, value in enumerate(node):
            yield from flatten(value, f'{path}[{index}]')
    else:
        yield path, json.loads(json.dumps(node))


def settings(file):
    kept = {key: value for key, value in resolve(file).items() if key not in VARIABLES}
    if kept.get('test_dataloader') == kept.get('val_dataloader'):
        kept.pop('test_dataloader', None)
    return dict(flatten(kept))


def record(leaf):
    """Each setting of a leaf without parent; of another [old, new], None where it is not set."""
    new = settings(leaf.file)
    if leaf.parent is None:
        return new
    old = settings(leaf.file.parent / leaf.parent)
    return {
        path: [old.get(path), new.get(path)]
        for path in {**old, **new}
        if old.get(path) != new.get(path)
    }


def to_text(records):
    lines = []
    for name, values in records.items():
        inner = ',\n'.join(f'    {json.dumps(p)}: {json.dumps(v)}' for p, v in values.items())
        lines.append(f'  {json.dumps(name)}: {{\n{inner}\n  }}')
    return '{\n' + ',\n'.join(lines) + '\n}\n'


@pytest.mark.parametrize('name', LEAVES)
def test_a_leaf_resolves_to_what_is_on_record(name):
    assert record(LEAVES[name]) == json.loads(FILE.read_text()).get(name), (
        'a setting changed; if that is meant: python tests/configs/test_resolved.py'
    )


def test_the_record_has_no_leaf_that_is_gone():
    assert set(json.loads(FILE.read_text())) == set(LEAVES)


def test_a_changed_setting_would_be_noticed(tmp_path):
    parent, child = tmp_path / 'parent.py', tmp_path / 'child.py'
    said = '"""A.\n\nParent:  {}\nWhy:     w\nResult:  r\nStatus:  baseline\n"""\n'
    parent.write_text(said.format('none') + 'model = dict(a=[dict(b=1), dict(c=(2, 3))])\n')
    child.write_text(said.format('parent.py') + 'model = dict(a=[dict(b=1), dict(c=(2, 4))])\n')
    assert record(read_leaf(parent)) == {'model.a[0].b': 1, 'model.a[1].c': [2, 3]}
    assert record(read_leaf(child)) == {'model.a[1].c': [[2, 3], [2, 4]]}


if __name__ == '__main__':
    FILE.write_text(to_text({name: record(leaf) for name, leaf in LEAVES.items()}))
    print(f'wrote {FILE}')
