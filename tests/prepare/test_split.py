import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.csv_lists import parse_rows
from mmseg_ext.prepare.labels import count_labels
from mmseg_ext.prepare.pairs import Pair, find_pairs
from mmseg_ext.prepare.split import Rule, split_pairs, time_of
from mmseg_ext.prepare.split_files import SplitFiles, check_listable

WILDSCENES = Path(__file__).parents[3] / 'shared/data/wildscenes'
needs_wildscenes = pytest.mark.skipif(not WILDSCENES.is_dir(), reason='without WildScenes lists')


def make(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def fake(*names):
    return [
        Pair(name, Path(f'i/{name}.jpg'), Path(f'm/{name}.png'), '.jpg', '.png') for name in names
    ]


def names(parts):
    return {part: [pair.name for pair in found] for part, found in parts.items()}


def found_in(root, images='images', masks='masks', *ends):
    return find_pairs(str(root / images), str(root / masks), *ends)


@pytest.mark.parametrize(
    ('image', 'mask', 'ends'),
    [
        ('a.jpg', 'a.png', ('.jpg', '.png')),
        ('a.JPG', 'a_mask.tif', ('.JPG', '_mask.tif')),
        ('ulm/a_leftImg8bit.png', 'ulm/a_gtFine_labelIds.png', ('_leftImg8bit.png',) * 1),
        ('1_sat.jpg', '1_mask.png', ('_sat.jpg', '_mask.png')),
        ('mask.v2.jpg', 'mask.v2_labelIds.png', ('.jpg', '_labelIds.png')),
    ],
)
def test_names_pair_whatever_they_end_in(tmp_path, image, mask, ends):
    (pair,) = found_in(make(tmp_path, f'images/{image}', f'masks/{mask}')).pairs
    assert pair.image == tmp_path / 'images' / image and pair.mask == tmp_path / 'masks' / mask
    assert (pair.img_suffix, pair.seg_map_suffix)[: len(ends)] == ends
    assert f'{pair.name}{pair.img_suffix}' == image


def test_files_without_a_partner_are_named_and_hidden_ones_are_none(tmp_path):
    make(tmp_path, 'images/a.jpg', 'images/b.jpg', 'masks/a.png', 'masks/c/d.png', 'masks/.e.png')
    found = found_in(tmp_path)
    assert [pair.name for pair in found.pairs] == ['a']
    assert found.lone_images == [tmp_path / 'images/b.jpg']
    assert found.lone_masks == [tmp_path / 'masks/c/d.png']


def test_other_files_of_a_folder_of_masks_are_named(tmp_path):
    make(tmp_path, 'images/a_leftImg8bit.png', 'masks/a_gtFine_labelIds.png')
    make(tmp_path, 'masks/a_gtFine_color.png')
    assert found_in(tmp_path).lone_masks == [tmp_path / 'masks/a_gtFine_color.png']
    ends = ('_leftImg8bit.png', '_gtFine_labelIds.png')
    assert found_in(tmp_path, 'images', 'masks', *ends).lone_masks == []


def test_images_and_masks_may_share_a_folder(tmp_path):
    make(tmp_path, 'all/a.jpg', 'all/a_mask.png', 'all/b.jpg', 'all/b_mask.png')
    found = found_in(tmp_path, 'all', 'all')
    assert [pair.name for pair in found.pairs] == ['a', 'b']
    assert not found.lone_images and not found.lone_masks
    make(tmp_path, 'same/a.jpg', 'same/a.png')
    with pytest.raises(UsageError, match='same name; say which to take: --img-suffix .jpg'):
        found_in(tmp_path, 'same', 'same')
    (pair,) = found_in(tmp_path, 'same', 'same', '.jpg', '.png').pairs
    assert pair.image.suffix == '.jpg' and pair.mask.suffix == '.png'


def test_a_star_stands_for_a_folder_in_the_middle(tmp_path):
    make(tmp_path, 'W/V-01/image/1-2.png', 'W/V-01/indexLabel/1-2.png')
    make(tmp_path, 'W/V-02/image/1-2.png', 'W/V-02/indexLabel/1-2.png', 'W/V-02/label/1-2.png')
    found = found_in(tmp_path, 'W/*/image', 'W/*/indexLabel')
    assert [pair.name for pair in found.pairs] == ['V-01/1-2', 'V-02/1-2']
    assert found.pairs[1].mask == tmp_path / 'W/V-02/indexLabel/1-2.png'
    with pytest.raises(UsageError, match='several folders; use --csv'):
        check_listable(found.pairs, str(tmp_path / 'W/*/image'))


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        (['images/a.jpg', 'masks/b.png'], r'no image of .* has a label file in .*a\.jpg and .*b'),
        (['images/a.jpg', 'images/a.png', 'masks/a.png'], r'a\.jpg and .*a\.png have the same'),
        (['images/a.txt', 'masks/a.png'], r'images holds no file \.jpg'),
        (['images/a.jpg'], r'there is no folder .*masks'),
        (['images/a.png', 'masks/a.JPG'], r'masks/a\.JPG would be .* are the folders swapped'),
    ],
)
def test_folders_that_make_no_pairs_say_why(tmp_path, files, message):
    with pytest.raises(UsageError, match=message):
        found_in(make(tmp_path, *files))


def test_lists_need_one_suffix_and_plain_names():
    mixed = [*fake('a'), Pair('b', Path('i/b.png'), Path('m/b.png'), '.png', '.png')]
    with pytest.raises(UsageError, match=r'several ends \(\.jpg, \.png\)'):
        check_listable(mixed)
    with pytest.raises(UsageError, match="cannot hold the name 'a '"):
        check_listable(fake('a '))


@settings(deadline=None)
@given(st.integers(5, 60), st.floats(0.05, 0.4), st.integers(0, 5), st.integers(0, 9))
def test_chance_splits_whole_sets_that_hardly_move_when_an_image_is_added(n, val, test, seed):
    pairs = fake(*(f'{i:03}' for i in range(n)))
    rule = Rule(val=val, test=test, seed=seed)
    if max(1, round(val * n)) + test >= n:
        return
    parts = names(split_pairs(pairs, rule))
    listed = [name for found in parts.values() for name in found]
    assert sorted(listed) == [pair.name for pair in pairs]
    assert len(parts['val']) == max(1, round(val * n)) and len(parts.get('test', [])) == test
    assert parts == names(split_pairs(pairs[::-1], rule))
    more = names(split_pairs([*pairs, *fake('new')], rule))
    moved = [name for part in parts for name in set(parts[part]) - set(more[part])]
    assert len(moved) <= 2 + (len(more['val']) > len(parts['val']))


def test_the_seed_and_the_name_decide_as_documented():
    pairs = fake(*'abcdefghij')
    drawn = sorted('abcdefghij', key=lambda n: hashlib.sha256(f'3\0{n}'.encode()).digest())
    parts = names(split_pairs(pairs, Rule(val=2, test=1, seed=3)))
    assert parts['test'] == drawn[-1:] and parts['val'] == sorted(drawn[-3:-1])
    assert parts != names(split_pairs(pairs, Rule(val=2, test=1, seed=4)))


def test_in_order_the_first_are_train_and_the_gap_is_in_no_set():
    pairs = fake(*(f'frame{i}' for i in range(12)))
    parts = names(split_pairs(pairs, Rule(val=3, test=2, by='name', gap=1)))
    numbers = {part: sorted(int(n[5:]) for n in found) for part, found in parts.items()}
    assert numbers == dict(train=[0, 1, 2, 3, 4], val=[6, 7, 8], test=[10, 11], left_out=[5, 9])


def test_a_group_is_never_cut():
    pairs = fake(*(f'{take}/{i}' for take in 'abcdef' for i in range(5 if take > 'a' else 1)))
    for rule in (Rule(val=8, test=3, group='^[a-z]'), Rule(val=8, by='name', group='^([a-z])/')):
        parts = names(split_pairs(pairs, rule))
        takes = {part: {name[0] for name in found} for part, found in parts.items()}
        assert sum(map(len, takes.values())) == 6
        assert len(parts['val']) in (6, 10)
    assert takes['val'] == {'e', 'f'}, 'ordered: the last'
    huge = fake(*(f'{take}/{i}' for take, n in (('a', 60), ('b', 7), ('c', 12)) for i in range(n)))
    for seed in range(9):
        parts = split_pairs(huge, Rule(val=8, seed=seed, group='^[a-z]'))
        assert len(parts['val']) in (7, 12), 'a group that is too large is passed over'
    drawn = {
        tuple(names(split_pairs(pairs, Rule(val=8, group='^[a-z]', seed=seed)))['val'])
        for seed in range(9)
    }
    assert len(drawn) > 3, 'by chance: others with another seed'


def test_times_sort_by_their_numbers(tmp_path):
    stamps = ['1623370893-5', '1623370893-376340233', '1623370894-000000001']
    assert sorted(reversed(stamps), key=time_of) == stamps
    stamps = ['cam2_1623370893.25', 'cam1_1623370893.5', 'cam1_1623370894']
    assert sorted(stamps[:2], key=time_of) == stamps[:2]
    stamps = ['IMG_20211130_235959', 'z/IMG_20211201_000000', 'a/IMG_20211201_000001']
    assert sorted(reversed(stamps), key=time_of) == stamps
    assert time_of('x_t07_s3', r't(\d+)_s(\d+)')[1] == (7, 3)
    pairs = fake('b/2021-12-14_10-30-05', 'a/2021-12-14_10-30-06', 'c/2021-12-14_10-30-04')
    parts = names(split_pairs(pairs, Rule(val=1, by='time')))
    assert parts['val'] == ['a/2021-12-14_10-30-06']


def test_files_may_be_ordered_by_their_time_of_change(tmp_path):
    pairs = []
    for second, name in enumerate('cab'):
        (pair,) = fake(name)
        image = tmp_path / f'{name}.jpg'
        image.touch()
        os.utime(image, (second, second))
        pairs.append(Pair(pair.name, image, pair.mask, '.jpg', '.png'))
    assert names(split_pairs(pairs, Rule(val=1, by='mtime')))['val'] == ['b']


@pytest.mark.parametrize(
    ('pairs', 'rule', 'message'),
    [
        (fake('a', 'b'), Rule(gap=1), 'gap 1 has no effect with --by random'),
        (fake('a', 'b'), Rule(gap=1, by='name', group='.'), 'no effect with --group'),
        (fake('a', 'b'), Rule(by='time'), 'a holds no time stamp; .*--by name'),
        (fake('1623370893', '2021-01-02'), Rule(by='time'), 'hold times of different form'),
        (fake('a', 'b'), Rule(by='time', time='([a-z])'), 'finds a in a, which is no number'),
        (fake('a', 'b'), Rule(by='time', time='('), r'--time-regex \( is no regular'),
        (fake('a', '1'), Rule(group='[a-z]'), 'finds nothing in 1'),
        (fake('a', 'b'), Rule(val=2), 'nothing is left for train: 2 images'),
        (
            fake('a1', 'a2'),
            Rule(val=1, group='a'),
            'nothing is left .* 2 images in 1 group',
        ),
        (fake('a', 'b'), Rule(val=0), 'give --val or --test'),
        (fake('a', 'b', 'c'), Rule(val=1, by='name', gap=2), 'nothing is left for train'),
    ],
)
def test_what_cannot_be_split_says_why(pairs, rule, message):
    with pytest.raises(UsageError, match=message):
        split_pairs(pairs, rule)


@needs_wildscenes
def test_the_time_stamps_of_wildscenes_are_read():
    ids = [
        row['id']
        for split in ('train', 'val', 'test')
        for row in parse_rows((WILDSCENES / f'opt2d_{split}.csv').read_text(), split)
    ]
    assert len(ids) == len(set(ids)) == 6051 + 283 + 2133
    nanoseconds = {name: int(name.replace('-', '')) for name in ids}
    assert sorted(ids, key=time_of) == sorted(ids, key=nanoseconds.get)
    parts = names(split_pairs(fake(*ids), Rule(by='time', test=0.2, gap=10)))
    last = max(nanoseconds[name] for name in parts['train'])
    assert last < min(nanoseconds[name] for name in parts['val'])
    assert len(parts['left_out']) == 20


@pytest.fixture
def tree(tmp_path):
    files = [f'{kind}/{i}.{end}' for kind, end in (('i', 'jpg'), ('m', 'png')) for i in range(10)]
    return make(tmp_path, *files)


@pytest.fixture(params=['lists', 'CSV'])
def files(request, tree):
    root = tree if request.param == 'CSV' else None
    return SplitFiles(tree / 'out', (str(tree / 'i'), str(tree / 'm')), root)


@pytest.fixture
def pairs(tree):
    return found_in(tree, 'i', 'm').pairs


def test_a_split_is_written_once_and_another_never_by_accident(files, pairs):
    parts = split_pairs(pairs, Rule(val=2, test=1))
    assert files.write(parts) and not files.write(parts)
    assert files.check(pairs) == []
    other = split_pairs(pairs, Rule(val=2, by='name', gap=1))
    with pytest.raises(UsageError, match=r'train\.\w+ is of another split.*--force'):
        files.write(other)
    assert files.check(pairs) == []
    assert files.write(other, force=True)
    assert files.check(pairs) == []
    assert {file.stem for file in files.folder.iterdir()} == {'train', 'val', 'left_out'}


def test_a_broken_off_split_is_finished(files, pairs):
    parts = split_pairs(pairs, Rule(val=2))
    files.write(parts)
    (train,) = files.folder.glob('train.*')
    train.unlink()
    assert files.write(parts) and train.is_file()


def test_a_check_names_what_is_wrong(files, pairs, tree):
    files.write(split_pairs(pairs, Rule(val=2, test=2, by='name')))
    train, val, test = (next(files.folder.glob(f'{part}.*')) for part in ('train', 'val', 'test'))
    line = val.read_text().splitlines()[-1]
    train.write_text(train.read_text() + line + '\n')
    test.write_text(test.read_text() + test.read_text().splitlines()[-1] + '\n')
    (tree / 'i/0.jpg').unlink()
    (tree / 'm/1.png').unlink()
    faults = files.check(found_in(tree, 'i', 'm').pairs)
    texts = '\n'.join(faults)
    assert f'{val.name} and {train.name}: ' in texts and f'{test.name} twice: ' in texts
    assert 'i/0.jpg' in texts and 'm/1.png' in texts and len(faults) == 4
    val.unlink()
    faults = '\n'.join(files.check(found_in(tree, 'i', 'm').pairs))
    assert 'in no set: ' in faults


def test_a_check_of_nothing_and_of_a_swapped_label_file_fails(files, pairs):
    assert 'holds no split' in files.check(pairs)[0]
    files.write(split_pairs(pairs, Rule(val=2)))
    if files.root:
        train = files.folder / 'train.csv'
        train.write_text(train.read_text().replace('m/', 'i/'))
        assert len([f for f in files.check(pairs) if 'not ' in f]) == 8


def test_a_class_is_counted_where_it_is(tmp_path):
    for name, value in (('a', 0), ('b', 7)):
        Image.fromarray(np.full((2, 3), value, np.uint8)).save(tmp_path / f'{name}.png')
    counts = count_labels(sorted(tmp_path.glob('*.png')), 1, '')
    assert counts[[0, 7]].tolist() == [6, 6] and counts.sum() == 12
    Image.new('RGB', (2, 2)).save(tmp_path / 'c.png')
    with pytest.raises(UsageError, match=r'c\.png holds RGB pixels, .*recode\.py'):
        count_labels([tmp_path / 'c.png'], 1, '')


@pytest.mark.parametrize('broken_at', range(1, 6))
def test_a_break_leaves_no_mixture_of_splits(tmp_path, monkeypatch, broken_at):
    """The five steps: three files of the old split go, two of the new one come."""
    files = SplitFiles(tmp_path / 'out', ('i', 'm'), tmp_path)
    pairs = fake(*(f'{i:02}' for i in range(30)))
    old = split_pairs(pairs, Rule(val=5, test=5, seed=1))
    new = split_pairs(pairs, Rule(val=5, seed=2))
    files.write(old)
    steps = iter(range(1, 100))

    def breaking(function):
        def step(*args):
            if next(steps) == broken_at:
                raise KeyboardInterrupt
            return function(*args)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', breaking(os.replace))
        patch.setattr(Path, 'unlink', breaking_unlink(breaking(Path.unlink)))
        with pytest.raises(KeyboardInterrupt):
            files.write(new, force=True)
    texts = {file.stem: file.read_text() for file in files.folder.glob('*.csv')}
    names_of = {part: {row['id'] for row in parse_rows(text, part)} for part, text in texts.items()}
    candidates = [{part: set(found) for part, found in names(p).items()} for p in (old, new)]
    assert any(names_of.items() <= candidate.items() for candidate in candidates), names_of.keys()
    if 'train' in names_of:
        assert names_of in candidates, 'nothing trains on a part of a split'
    assert files.write(new, force=True) and files.check(pairs) == []


def breaking_unlink(step):
    # records.files.replacing removes what is left of its file, which is no step
    unlink = Path.unlink
    return lambda path, missing_ok=False: unlink(path, True) if missing_ok else step(path)
