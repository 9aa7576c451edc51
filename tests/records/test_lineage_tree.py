from pathlib import Path

import pytest
from made_leaves import write_leaf

from mmseg_ext.records.leaf_docstring import Declaration, read_leaf
from mmseg_ext.records.lineage_tree import family_of, grow, score_of, short_name, short_text

VOC = 'segformer_mit-b2_3xb6-200e_voc12aug-512x512'


@pytest.mark.parametrize(
    'name, other, short',
    [
        (f'{VOC}_v2-erasing', f'{VOC}_v2', 'v2-erasing'),
        (f'{VOC}_v2', VOC, 'v2'),
        (f'{VOC}_v1', VOC.replace('voc12aug', 'coco') + '_v1', 'voc12aug-512x512 v1'),
        ('upernet_swin-t_2xb4-200e_a-1x1_v1', 'upernet_r50_2xb4-200e_a-1x1_v1', 'swin-t v1'),
        (VOC, f'{VOC}_v2', ''),
    ],
)
def test_a_name_is_what_another_lacks_and_the_version(name, other, short):
    assert short_name(Path(f'{name}.py'), Path(f'{other}.py')) == short


def test_siblings_stand_in_the_order_of_their_versions(tmp_path):
    names = ['v2-mixup', 'v2', 'v1', 'v2.1', 'v3']
    parents = {'v3': 'v2.py'}
    leaves = [read_leaf(write_leaf(tmp_path, name, parents.get(name))) for name in names]
    rows = grow(leaves)
    assert [row.leaf.file.stem for row in rows] == ['v1', 'v2', 'v3', 'v2-mixup', 'v2.1']
    assert [row.depth for row in rows] == [0, 0, 1, 0, 0]


def test_family_score_and_words_of_a_leaf(tmp_path):
    leaf = read_leaf(write_leaf(tmp_path, f'{VOC}_v1', result='59.33 mIoU (seed 0), 70 mIoU'))
    assert family_of(leaf) == 'segformer mit-b2, voc12aug' and score_of(leaf) == 59.33
    plain = read_leaf(write_leaf(tmp_path / 'plain', 'mine', result='not run yet, 70 mIoU'))
    assert family_of(plain) == 'plain' and score_of(plain) is None


def test_long_words_are_cut_where_one_ends():
    text = short_text(Declaration('a', f'{"word " * 20}; a reason', 1), width=20)
    assert text == 'word word word ...' and len(text) <= 20
    assert short_text(Declaration('a', 'x' * 90, 1), width=20) == f'{"x" * 16} ...'
    assert short_text(Declaration('a', '1 -> 2; a reason', 1)) == '1 -> 2'
