import io

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations as StockLoadAnnotations
from PIL import Image, ImageCms

from mmseg_ext.datasets.check.files import MaskJob, look_at
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import LoadAnnotations

LABELS = np.random.default_rng(0).integers(0, 256, (23, 31), dtype=np.uint8)


def palette(labels):
    image = Image.fromarray(labels)
    image.putpalette(bytes(range(256)) * 3)
    return image


def info(path, **more):
    return dict(
        seg_map_path=str(path), reduce_zero_label=False, label_map=None, seg_fields=[], **more
    )


def save(folder, image, name='mask.png'):
    image.save(folder / name)
    return folder / name


@pytest.mark.parametrize('reduces', [False, True])
@pytest.mark.parametrize('label_map', [None, {0: 255, 7: 0, 3: 7, 255: 4}])
@pytest.mark.parametrize(
    'image',
    [Image.fromarray(LABELS), palette(LABELS), palette(LABELS % 4), Image.fromarray(LABELS > 99)],
    ids=['grey', 'palette', 'few', 'black and white'],
)
def test_the_labels_are_the_stock_ones(tmp_path, image, label_map, reduces):
    path = save(tmp_path, image)
    given = dict(info(path), reduce_zero_label=reduces, label_map=label_map)
    stock = StockLoadAnnotations()(dict(given, seg_fields=[]))
    for _ in ('filled', 'read'):
        for cache in (None, dict(dir=str(tmp_path / 'cache'), max_gb=1)):
            result = LoadAnnotations(cache=cache)(dict(given, seg_fields=[]))
            assert result['gt_seg_map'].dtype == np.uint8
            assert np.array_equal(result.pop('gt_seg_map'), stock['gt_seg_map'])
            assert result == {key: stock[key] for key in result}


@pytest.mark.parametrize(
    'written',
    [
        dict(transparency=7),
        dict(bits=4),
        dict(optimize=True),
        dict(compress_level=0),
        dict(dpi=(72, 72)),
        dict(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()),
    ],
    ids=lambda written: next(iter(written)),
)
def test_grey_pngs_of_each_kind_hold_the_stock_labels(tmp_path, written):
    """They are decoded by OpenCV, the others by Pillow."""
    path = tmp_path / 'mask.png'
    Image.fromarray(LABELS).save(path, **written)
    stock = StockLoadAnnotations()(info(path))['gt_seg_map']
    assert np.array_equal(LoadAnnotations()(info(path))['gt_seg_map'], stock)


def test_a_row_of_pixels_stays_two_dimensional(tmp_path):
    path = save(tmp_path, Image.fromarray(LABELS[:1]))
    assert LoadAnnotations()(info(path))['gt_seg_map'].shape == (1, 31)


def test_the_cache_keeps_what_is_in_the_file(tmp_path):
    path, cache = save(tmp_path, palette(LABELS)), dict(dir=str(tmp_path / 'cache'), max_gb=1)
    LoadAnnotations(cache=cache)(dict(info(path), reduce_zero_label=True, label_map={1: 2}))
    label = LoadAnnotations(cache=cache)(info(path))['gt_seg_map']
    assert np.array_equal(label, LABELS) and not label.flags.writeable
    assert len(list((tmp_path / 'cache').glob('*.mask'))) == 1


@pytest.mark.parametrize(
    'image, message',
    [
        (Image.fromarray(LABELS.astype(np.uint16) + 300), 'is of mode I;16, .*modulo 256'),
        (Image.fromarray(LABELS.astype(np.uint16)), 'is of mode I;16'),
        (Image.fromarray(LABELS.astype(np.int32)), 'is of mode I,'),
        (palette(LABELS).convert('RGB'), 'is of mode RGB, colours instead of labels'),
        (palette(LABELS).convert('RGBA'), 'is of mode RGBA, colours instead of labels'),
        (palette(LABELS).convert('LA'), 'is of mode LA, labels and alpha'),
    ],
)
def test_what_is_no_label_map_is_refused_and_named(tmp_path, image, message):
    # Pillow writes no PNG of 32 bits
    path = save(tmp_path, image, 'mask.tif' if image.mode == 'I' else 'mask.png')
    for cache in (None, dict(dir=str(tmp_path / 'cache'), max_gb=1)):
        with pytest.raises(UsageError, match=f'{path.name} {message}.*recode') as raised:
            LoadAnnotations(cache=cache)(info(path))
        assert '\n' not in str(raised.value)
    # the check of the data set says the same of it, whichever class loads it
    ours, stock = (
        look_at(MaskJob(info(path), c())) for c in (LoadAnnotations, StockLoadAnnotations)
    )
    assert ours == stock and not ours.problem and not ours.labels


def test_a_palette_by_opencv_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"mask\.png becomes .* imdecode_backend='pillow'"):
        LoadAnnotations(imdecode_backend='cv2')(info(save(tmp_path, palette(LABELS))))


@pytest.mark.parametrize(
    'data, message',
    [(b'', 'is empty, 0 bytes'), (b'nothing', 'does not decode: it is damaged or no image')],
)
def test_empty_and_foreign_files_are_named(tmp_path, data, message):
    (tmp_path / 'a.png').write_bytes(data)
    with pytest.raises(UsageError, match=rf'a\.png {message}'):
        LoadAnnotations()(info(tmp_path / 'a.png'))
    ours, stock = (
        look_at(MaskJob(info(tmp_path / 'a.png'), c()))
        for c in (LoadAnnotations, StockLoadAnnotations)
    )
    assert ours == stock and ours.problem


def test_a_mask_that_is_cut_off_or_missing_is_named(tmp_path):
    buffer = io.BytesIO()
    palette(LABELS).save(buffer, 'PNG')
    (tmp_path / 'a.png').write_bytes(buffer.getvalue()[:-300])
    with pytest.raises(UsageError, match=r'a\.png does not decode: .*; unpack'):
        LoadAnnotations()(info(tmp_path / 'a.png'))
    with pytest.raises(UsageError, match=r'b\.png does not exist'):
        LoadAnnotations()(info(tmp_path / 'b.png'))


def test_another_size_than_the_image_is_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(LABELS))
    LoadAnnotations()(info(path, ori_shape=(23, 31), img_shape=(5, 5)))
    with pytest.raises(UsageError, match=r'mask\.png is 31x23, its image a\.jpg 23x31; check'):
        LoadAnnotations()(info(path, ori_shape=(31, 23), img_path='a.jpg'))


def test_contradicting_settings(tmp_path):
    path = save(tmp_path, Image.fromarray(LABELS))
    with pytest.warns(UserWarning, match='deprecated'):
        load = LoadAnnotations(reduce_zero_label=True)
    with pytest.raises(UsageError, match='set it in the dataset alone'):
        load(info(path))
    with pytest.raises(ValueError, match='leave out backend_args'):
        LoadAnnotations(cache=dict(dir='a', max_gb=1), backend_args=dict(backend='local'))
    assert "cache=dict(dir='a', max_gb=1)" in repr(LoadAnnotations(cache=dict(dir='a', max_gb=1)))
