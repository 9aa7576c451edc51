from pathlib import Path

import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare import voc_aug_sources
from mmseg_ext.prepare.lists import names_checksum, write_names
from mmseg_ext.prepare.voc_aug_sources import (
    NUM_SBD,
    NUM_TRAIN,
    NUM_TRAINAUG,
    NUM_VAL,
    TRAINAUG_SHA256,
    VAL_SHA256,
    read_sources,
)

REAL = Path(__file__).parents[3] / 'shared/data/voc12'
NOT_REAL = [f'2008_{number:06}' for number in range(NUM_TRAINAUG + NUM_VAL)]


def write_lists(root, trainaug, val, train=NUM_TRAIN):
    """Lists as long as the real ones; those of SBD overlap with VOC's two."""
    voc, sbd = root / 'VOCdevkit/VOC2012', root / 'SBD/dataset'
    (sbd / 'cls').mkdir(parents=True)
    write_names(voc / 'ImageSets/Segmentation/train.txt', trainaug[:train])
    write_names(voc / 'ImageSets/Segmentation/val.txt', val)
    in_val = NUM_SBD - len(trainaug) + 200
    annotated = [*trainaug[200:], *val[:in_val]]
    write_names(sbd / 'train.txt', annotated[::2])
    write_names(sbd / 'val.txt', annotated[1::2])
    return voc.parent, sbd.parent


@pytest.fixture
def real():
    if not REAL.is_dir():
        pytest.skip('the real lists are not here')
    return [(REAL / f'{name}.txt').read_text().split() for name in ('trainaug', 'val')]


def test_the_sums_are_those_of_the_real_lists(real):
    trainaug, val = real
    assert (len(trainaug), len(val)) == (NUM_TRAINAUG, NUM_VAL)
    assert [names_checksum(trainaug), names_checksum(val)] == [TRAINAUG_SHA256, VAL_SHA256]


def test_the_real_lists_pass_and_give_the_published_numbers(real, tmp_path, monkeypatch):
    monkeypatch.setattr(voc_aug_sources, '_check_files', lambda sources: None)
    sources = read_sources(*write_lists(tmp_path, *real))
    assert sources.is_real and 'not the real' not in sources.describe()
    assert sources.lists['trainaug'] == real[0]
    assert len(sources.lists['aug']) == 9118


def test_another_name_in_real_lists_is_an_error(real, tmp_path):
    trainaug, val = real
    trainaug[5000] = '2011_999999'
    with pytest.raises(UsageError, match='trainaug have SHA-256 [0-9a-f]{64}, not d1326bd5'):
        read_sources(*write_lists(tmp_path, trainaug, val))


def test_names_of_the_real_number_that_are_not_the_real_ones_are_an_error(tmp_path, monkeypatch):
    trainaug, val = NOT_REAL[:NUM_TRAINAUG], NOT_REAL[NUM_TRAINAUG:]
    folders = write_lists(tmp_path, trainaug, val)
    with pytest.raises(UsageError, match=r'val\.txt holds other names than that of VOC 2012'):
        read_sources(*folders)
    monkeypatch.setattr(voc_aug_sources, 'VAL_SHA256', names_checksum(val))
    with pytest.raises(UsageError, match='SHA-256'):
        read_sources(*folders)
    monkeypatch.setattr(voc_aug_sources, 'TRAINAUG_SHA256', names_checksum(trainaug))
    with pytest.raises(UsageError, match=r'cls lacks 11,355 names .*; unpack benchmark\.tgz'):
        read_sources(*folders)
    # a name of SBD's that is no longer in VOC's val
    write_names(folders[0] / 'VOC2012/ImageSets/Segmentation/val.txt', ['x', *val[1:]])
    monkeypatch.setattr(voc_aug_sources, 'VAL_SHA256', names_checksum(['x', *val[1:]]))
    with pytest.raises(UsageError, match='val are 10,583 images, not 10,582'):
        read_sources(*folders)


def test_a_list_that_is_shorter_makes_another_set(tmp_path, monkeypatch):
    monkeypatch.setattr(voc_aug_sources, '_check_files', lambda sources: None)
    folders = write_lists(tmp_path, NOT_REAL[:NUM_TRAINAUG], NOT_REAL[NUM_TRAINAUG:], train=1463)
    assert 'not the real VOC 2012 and SBD: train.txt 1,463' in read_sources(*folders).describe()
