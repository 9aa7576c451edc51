import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killing import survive_kills
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.pairs import find_pairs
from mmseg_ext.prepare.recode import check_recoded, map_labels, parse_map, recode
from mmseg_ext.prepare.split import Rule, split_pairs
from mmseg_ext.prepare.split_files import SplitFiles

BINARY = {0: 0, 255: 1}


@pytest.mark.parametrize(
    ('text', 'want'),
    [
        ('0=0,255=1', BINARY),
        ('0 = 0; 255=1 # foreground\n', BINARY),
        ('0,0,0=0,128,0,0=1, 0,128,0=2', {(0, 0, 0): 0, (128, 0, 0): 1, (0, 128, 0): 2}),
        ('# r,g,b=label\n255,255,255=255\n\n0,0,1=0', {(255, 255, 255): 255, (0, 0, 1): 0}),
        ('1000=3', {1000: 3}),
    ],
)
def test_a_map_is_read_as_people_write_it(text, want):
    assert parse_map(text) == want


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'map is empty'),
        ('0:0', "says '0:0'; it takes VALUE=LABEL"),
        ('0=0,255=-1', "says '255=-1"),
        ('0=256', 'says 0=256; colours and labels are 0 to 255'),
        ('300,0,0=1', r'says \(300, 0, 0\)=1'),
        ('0=0 0=1', 'has 0 twice'),
        ('0=0 1,2,3=1', 'both values and colours'),
    ],
)
def test_a_map_that_is_none_says_why(text, message):
    with pytest.raises(UsageError, match=message):
        parse_map(text)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_labels_are_those_of_a_look_up_pixel_by_pixel(seed, by_colour):
    rng = np.random.default_rng(seed)
    shape = (256, 3) if by_colour else (256,)
    keys = np.unique(rng.integers(0, 256, shape), axis=0)[:9]
    keys = [tuple(key) for key in keys.tolist()] if by_colour else keys.tolist()
    label_of = {key: int(rng.integers(256)) for key in keys}
    chosen = rng.integers(0, len(keys), (5, 7))
    pixels = np.array(keys, np.uint8)[chosen]
    want = [[label_of[keys[i]] for i in row] for row in chosen]
    assert map_labels(Image.fromarray(pixels), label_of).tolist() == want


def test_the_same_grey_counts_in_every_mode():
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    for mode in ('L', 'RGB', 'RGBA', 'LA', '1', 'I'):
        labels = map_labels(grey.convert(mode), BINARY)
        assert labels.dtype == np.uint8 and labels.tolist() == [[0, 1], [1, 0]], mode
    indices = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    indices.putpalette([0, 0, 0, 255, 255, 255])
    assert map_labels(indices, {0: 5, 1: 6}).tolist() == [[5, 6], [6, 5]]
    assert map_labels(indices, {(0, 0, 0): 5, (255, 255, 255): 6}).tolist() == [[5, 6], [6, 5]]
    deep = Image.fromarray(np.array([[0, 40000]], np.uint16))
    assert map_labels(deep, {0: 0, 40000: 1}).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ('picture', 'label_of', 'message'),
    [
        (Image.new('L', (4, 2), 3), BINARY, '3 in 8 pixels and 0 other'),
        (Image.new('L', (4, 2), 255), {0: 0}, '255 in 8 pixels'),
        (Image.new('RGB', (4, 2), (1, 2, 3)), {(1, 2, 4): 0}, '1,2,3 in 8 pixels'),
        (Image.new('RGB', (4, 2), (1, 2, 3)), BINARY, 'colours, but the map has values'),
        (Image.new('RGBA', (4, 2), (0, 0, 0, 9)), {(0, 0, 0): 0}, 'transparent'),
        (Image.new('I', (4, 2), 9), {(0, 0, 0): 0}, '16 bits a pixel'),
    ],
)
def test_what_the_map_lacks_is_an_error(picture, label_of, message):
    with pytest.raises(ValueError, match=message):
        map_labels(picture, label_of)


def write_masks(folder, number=6):
    rng = np.random.default_rng(0)
    (folder / 'masks/deep').mkdir(parents=True)
    for i in range(number):
        pixels = rng.choice([0, 255], (20, 30)).astype(np.uint8)
        place = folder / ('masks' if i % 2 else 'masks/deep')
        Image.fromarray(pixels).save(place / f'{i}_mask.tif')
    return folder / 'masks'


def test_a_folder_is_converted_once_and_verified(tmp_path):
    masks, out = write_masks(tmp_path), tmp_path / 'labels'
    assert len(check_recoded(masks, out, BINARY, 1)) == 6, 'all are missing'
    assert recode(masks, out, BINARY, 2) == 6
    assert check_recoded(masks, out, BINARY, 2) == []
    label = np.asarray(Image.open(out / 'deep/0_mask.png'))
    assert set(np.unique(label)) == {0, 1}
    (out / 'deep/2_mask.png').unlink()
    assert recode(masks, out, BINARY, 1) == 1
    with pytest.raises(UsageError, match=r'labels was made with another map, .*label_map\.txt'):
        recode(masks, out, {0: 0, 255: 2}, 1)


def test_after_an_unknown_value_a_longer_map_goes_on(tmp_path):
    masks, out = write_masks(tmp_path), tmp_path / 'labels'
    Image.new('L', (3, 3)).save(masks / '0_first.png')
    with pytest.raises(UsageError, match='holds 255'):
        recode(masks, out, {0: 0}, 1)
    assert (out / '0_first.png').is_file()
    assert recode(masks, out, BINARY, 1) == 6
    assert check_recoded(masks, out, BINARY, 1) == []
    assert (out / 'label_map.txt').read_text() == '0=0\n255=1\n'


def test_a_check_names_each_fault(tmp_path):
    masks, out = write_masks(tmp_path), tmp_path / 'labels'
    recode(masks, out, BINARY, 1)
    (out / 'deep/0_mask.png').unlink()
    Image.new('L', (30, 20)).save(out / '1_mask.png')
    (out / '3_mask.png').write_bytes((out / '3_mask.png').read_bytes()[:40])
    (out / 'other.png').touch()
    faults = check_recoded(masks, out, BINARY, 1)
    for fault in ('0_mask.png is missing', '1_mask.png differs', '3_mask.png does not', 'other.p'):
        assert any(fault in line for line in faults), faults
    assert len(faults) == 4


def test_bad_folders_are_named(tmp_path):
    masks = write_masks(tmp_path)
    with pytest.raises(UsageError, match=r'lies in .*masks; its files would be taken'):
        recode(masks, masks / 'out', BINARY, 1)
    with pytest.raises(UsageError, match='there is no folder'):
        recode(tmp_path / 'gone', tmp_path / 'out', BINARY, 1)
    with pytest.raises(UsageError, match=r'1_mask\.tif holds 255 in \d+ pixels'):
        recode(masks, tmp_path / 'out', {0: 0}, 1)
    assert not list((tmp_path / 'out').rglob('*.png'))
    Image.new('L', (3, 3)).save(masks / '1_mask.png')
    with pytest.raises(UsageError, match='would both become'):
        recode(masks, tmp_path / 'out', BINARY, 1)
    (masks / '1_mask.png').unlink()
    Image.new('L', (3, 3), 128).save(masks / '9.jpg')
    with pytest.raises(UsageError, match=r'9\.jpg holds .*JPEG changes values'):
        recode(masks, tmp_path / 'out2', BINARY, 1)
    (tmp_path / 'old').mkdir()
    Image.new('L', (3, 3)).save(tmp_path / 'old/1_mask.png')
    (masks / '9.jpg').unlink()
    with pytest.raises(UsageError, match='old holds label files of unknown origin'):
        recode(masks, tmp_path / 'old', BINARY, 1)


def make_sources(folder):
    masks = write_masks(folder, 60)
    return folder, masks


def recode_and_split(folder, masks):
    out = folder / 'labels'
    recode(masks, out, BINARY, 1)
    pairs = find_pairs(str(masks), str(out), '_mask.tif', '_mask.png').pairs
    parts = split_pairs(pairs, Rule(val=0.2))
    SplitFiles(folder / 'splits', (str(masks), str(out)), folder).write(parts)


@pytest.mark.slow
def test_a_rerun_after_twenty_kills_ends_right(tmp_path):
    survive_kills(recode_and_split, make_sources, tmp_path, kills=20)
