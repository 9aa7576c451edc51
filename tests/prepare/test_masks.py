import numpy as np
import pytest
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.masks import is_whole_png, read_mask, write_mask
from mmseg_ext.prepare.palette import voc_palette
from mmseg_ext.prepare.sbd_mat import read_sbd_labels, sbd_mat_bytes


@pytest.fixture
def labels():
    labels = np.zeros((60, 80), np.uint8)
    labels[10:40, 20:70], labels[30:50, 5:30], labels[0] = 7, 20, 255
    return labels


def test_a_mask_comes_back_with_its_colours(tmp_path, labels):
    write_mask(tmp_path / 'a.png', labels, voc_palette())
    assert np.array_equal(read_mask(tmp_path / 'a.png'), labels)
    colours = np.array(Image.open(tmp_path / 'a.png').convert('RGB'))
    assert np.array_equal(colours, voc_palette()[labels])
    assert colours[15, 50].tolist() == [128, 128, 128], 'class 7, car, is grey'


def test_columns_first_is_no_other_picture(tmp_path, labels):
    """MATLAB's arrays, as scipy reads them, lie in memory column by column."""
    write_mask(tmp_path / 'a.png', np.asfortranarray(labels), voc_palette())
    assert np.array_equal(read_mask(tmp_path / 'a.png'), labels)


def test_every_cut_off_png_is_seen(tmp_path, labels):
    file = tmp_path / 'a.png'
    assert not is_whole_png(file)
    write_mask(file, labels, voc_palette())
    content = file.read_bytes()
    assert is_whole_png(file)
    for length in range(0, len(content), 7):
        file.write_bytes(content[:length])
        assert not is_whole_png(file)


def test_colours_in_place_of_labels_are_named(tmp_path):
    Image.new('RGB', (4, 4)).save(tmp_path / 'a.png')
    with pytest.raises(UsageError, match=r'a\.png holds RGB pixels'):
        read_mask(tmp_path / 'a.png')
    (tmp_path / 'a.png').write_text('no picture')
    with pytest.raises(UsageError, match=r'a\.png does not read'):
        read_mask(tmp_path / 'a.png')


def test_every_cut_off_mat_is_seen(tmp_path, labels):
    content = sbd_mat_bytes(np.minimum(labels, 20))
    file = tmp_path / 'a.mat'
    file.write_bytes(content)
    assert np.array_equal(read_sbd_labels(file), np.minimum(labels, 20))
    for length in range(0, len(content), 9):
        file.write_bytes(content[:length])
        with pytest.raises(UsageError, match=r'a\.mat (does not read|holds no GTcls)'):
            read_sbd_labels(file)
