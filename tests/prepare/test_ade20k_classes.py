import re
from pathlib import Path

import pytest
from ade20k_trees import EXPECTED, OBJECTS, write_classes, write_mapping

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.ade20k_classes import match_names, read_class_names, read_mapping

SHARED = Path(__file__).parents[3] / 'shared/data/ade20k'


def test_names_match_by_all_their_words(tmp_path):
    names = read_class_names(write_classes(tmp_path / 'objectInfo150.csv'))
    assert names[:4] == [
        'wall',
        'building edifice',
        'door double door',
        'car auto machine motorcar',
    ]
    found = match_names(OBJECTS, names)
    assert found.classes == EXPECTED
    assert {index: how for index, how in found.how.items() if how != 'same name'} == {
        3: 'resolved',
        4: 'resolved',
        6: 'resolved',
        7: 'resolved',
        9: 'other order',
        11: 'resolved',
    }
    assert found.missing == list(range(10, 151))
    assert found.similar == {5: [4], 10: [], 15: []}


@pytest.mark.skipif(not SHARED.is_dir(), reason='no real ADE20K here')
def test_real_names_give_the_official_mapping():
    """The 2021 release kept the object indices of 2016, so names must give the same table."""
    names = read_class_names(SHARED / 'objectInfo150.csv')
    mapping = read_mapping(SHARED / 'full_to_150/mapFromADE.txt')
    assert len(mapping) == 153 and mapping[401] == 21 and mapping[165] == 8
    objects = [f'thing {index}' for index in range(1, 3689)]
    for index, label in mapping.items():
        objects[index - 1] = names[label - 1]
    # what the release calls otherwise than the table
    real = {774: 'door', 783: 'double door', 533: 'closet', 246: 'booth',
            3109: 'screen, crt screen',
            2733: 'television receiver, television, television set, tv, tv set, idiot box, '
                  'boob tube, telly, goggle box'}  # fmt: skip
    near = {1481: 'machine', 490: 'chest', 1857: 'pier', 1974: 'pot', 3050: 'window'}
    for index, name in (real | near).items():
        objects[index - 1] = name
    found = match_names(objects, names)
    assert found.classes == mapping and found.missing == []
    assert {index for index, how in found.how.items() if how != 'same name'} == set(real)
    assert all(found.similar[index] for index in near)


def test_the_mapping_is_read_as_it_is_published(tmp_path):
    file = write_mapping(tmp_path / 'mapFromADE.txt', {7: 15})
    mapping = read_mapping(file)
    assert mapping[2015] == mapping[7] == 15 and len(mapping) == 151


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'there is no .*; download https://raw.*/convertFromADE/mapFromADE.txt to that'),
        ('<html>', "line 1: '<html>' is no pair"),
        ('1 2978\n', 'lacks 149 of 150 classes, 2 for one'),
        ('151 7\n', "line 1: '151 7' is outside classes 1 to 150"),
        ('1 6656\n', 'object indices 1 to 6655'),
        ('1 7\n2 7\n', 'gives object index 7 two classes, 1 and 2'),
    ],
)
def test_a_bad_mapping_is_named(tmp_path, text, message):
    file = tmp_path / 'mapFromADE.txt'
    if text:
        file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_mapping(file)


def test_a_table_that_was_cut_off_is_named(tmp_path):
    file = write_classes(tmp_path / 'objectInfo150.csv')
    file.write_text('\n'.join(file.read_text().splitlines()[:100]))
    with pytest.raises(UsageError, match=re.escape('no Idx and Name for class 100, 99 rows')):
        read_class_names(file)
