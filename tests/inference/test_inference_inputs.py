import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.inference.inputs import RECORD, find_inputs
from mmseg_ext.inference.predicting import in_batches


def test_inputs_are_found_before_torch_is_imported():
    check = "import sys, mmseg_ext.inference.inputs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', check]).returncode == 0


@pytest.fixture
def tree(tmp_path, monkeypatch):
    files = (
        'a/x.jpg', 'a/sub/x.JPG', 'a/sub/y.png', 'a/notes.txt', 'a/.hidden.png', 'b/x.png',
        'b/film.mp4', f'b/old/{RECORD}', 'b/old/masks/x.png', 'd/X.png', 'c [1]/z.png',
        'c [1]/z.jpg',
    )  # fmt: skip
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*words):
    return [(str(source.path), source.name) for source in find_inputs(words)[0]]


def test_folders_are_searched_and_names_keep_what_is_below(tree):
    expected = [('a/x.jpg', 'x'), ('a/sub/x.JPG', 'sub/x'), ('a/sub/y.png', 'sub/y')]
    assert names('a') == names(str(tree / 'a')) == expected


def test_predictions_are_no_inputs_and_videos_have_to_be_named(tree):
    inputs, notes = find_inputs(['b'])
    assert [source.name for source in inputs] == ['x']
    assert notes == ['1 videos below b are left out: name them']
    assert find_inputs(['b/film.mp4'])[0][0].is_video


def test_two_inputs_of_one_name_are_told_apart(tree):
    assert names('a/x.jpg', 'b/x.png') == [('a/x.jpg', 'a/x'), ('b/x.png', 'b/x')]
    # disks that do not tell cases apart would keep one of them
    assert names('b/x.png', 'd/X.png') == [('b/x.png', 'b/x'), ('d/X.png', 'd/X')]
    assert [name for _, name in names('c [1]')] == ['z_jpg', 'z_png']
    for file in ('c.jpg', 'c.png', 'c_jpg.png', 'c_jpg_2.png'):
        (tree / file).touch()
    files = 'c.jpg', 'c.png', 'c_jpg.png', 'c_jpg_2.png'
    assert [name for _, name in names(*files)] == ['c_jpg', 'c_png', 'c_jpg_3', 'c_jpg_2']
    every = [name for _, name in names('a', 'b', 'c [1]', 'a/sub/x.JPG')]
    assert len(every) == len({name.lower() for name in every}) == 6


def test_patterns(tree):
    assert names('a/**/*.jpg') == [('a/x.jpg', 'x')]
    assert names('*/x.*') == [('a/x.jpg', 'a/x'), ('b/x.png', 'b/x')]
    assert names('a/su*') == [('a/sub/x.JPG', 'sub/x'), ('a/sub/y.png', 'sub/y')]
    # a name with brackets that is there is no pattern
    assert names('c [1]/z.png') == [('c [1]/z.png', 'z')]


def test_each_file_counts_once(tree):
    assert len(names('a/x.jpg', 'a', os.path.abspath('a/x.jpg'), './a/x.jpg')) == 3


@pytest.mark.parametrize(
    ('word', 'said'),
    [('none.jpg', 'no file or folder none.jpg'), ('*.gif', 'nothing matches'), ('e', 'no image')],
)
def test_words_that_stand_for_nothing_are_named(tree, word, said):
    (tree / 'e').mkdir()
    with pytest.raises(UsageError, match=said):
        find_inputs(['a', word])


def test_images_of_one_size_come_together_and_none_waits_for_long():
    sizes = [1, 2, 1, 2, 2, 3, 1, *range(10, 60)]
    items = [(index, SimpleNamespace(size=size)) for index, size in enumerate(sizes)]
    taken, batches, longest = 0, [], 0

    def reading():
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    for batch in in_batches(reading(), 2):
        batches.append(batch)
        longest = max(longest, taken - sum(map(len, batches)))
        assert len(batch) <= 2 and len({item.size for _, item in batch}) == 1
    assert sorted(index for batch in batches for index, _ in batch) == list(range(len(items)))
    assert [index for index, _ in batches[0]] == [0, 2]
    assert longest <= 9
