import importlib.util
import io
import pickle

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile as StockLoadImageFromFile
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import LoadImageFromFile, load_image_from_file
from mmseg_ext.transforms.load_image_from_file import COLOURS

needs_simplejpeg = pytest.mark.skipif(
    not importlib.util.find_spec('simplejpeg'), reason='simplejpeg is an extra'
)


def picture(height=37, width=61):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    noise = rng.integers(-9, 9, (height, width, 3))
    return Image.fromarray(
        np.clip(cv2.resize(coarse, (width, height)) + noise, 0, 255).astype(np.uint8)
    )


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', **options)
    return buffer.getvalue()


def with_exif(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return jpeg(picture(), exif=exif)


FILES = {
    '420.jpg': jpeg(picture(), subsampling=2),
    '422.jpg': jpeg(picture(), subsampling=1),
    '444.jpg': jpeg(picture(), subsampling=0),
    'progressive.jpg': jpeg(picture(), progressive=True),
    'restarts.jpg': jpeg(picture(), restart_marker_blocks=2),
    'grey.jpg': jpeg(picture().convert('L')),
    'rgb.jpg': jpeg(picture(), keep_rgb=True),
    'cmyk.jpg': jpeg(picture().convert('CMYK')),
    'upright.jpg': with_exif(1),
    'turned.jpg': with_exif(6),
    'more_after_the_end.jpg': jpeg(picture()) + b'\xff\xda' + bytes(9),
    'one_pixel.jpg': jpeg(picture(1, 1)),
    'large.jpg': jpeg(picture(512, 683)),
}
SETTINGS = [dict(color_type=name) for name in (*COLOURS, 'unchanged')]
SETTINGS += [dict(to_float32=True), dict(imdecode_backend='pillow')]


def write(folder, name, data):
    file = folder / name
    file.write_bytes(data)
    return str(file)


def load(path, **settings):
    return LoadImageFromFile(**settings)(dict(img_path=path))


def check_parity(path, settings, **ours):
    stock = StockLoadImageFromFile(**settings)(dict(img_path=path))
    result = load(path, **settings, **ours)
    assert result.keys() == stock.keys()
    assert result['img'].dtype == stock['img'].dtype
    assert np.array_equal(result.pop('img'), stock.pop('img'))
    assert result == stock


@pytest.mark.parametrize('settings', SETTINGS, ids=str)
@pytest.mark.parametrize('name', FILES)
def test_the_pixels_are_the_stock_ones(tmp_path, name, settings):
    path = write(tmp_path, name, FILES[name])
    check_parity(path, settings)
    cache = dict(dir=str(tmp_path / 'cache'), max_gb=1)
    for _ in ('filled', 'read'):
        check_parity(path, settings, cache=cache)
    png = str(tmp_path / 'image.png')
    picture().save(png)
    check_parity(png, settings)


@needs_simplejpeg
@pytest.mark.parametrize(
    'name, is_fast', [(name, name in ('420.jpg', 'progressive.jpg', 'grey.jpg')) for name in
                      ('420.jpg', 'progressive.jpg', 'grey.jpg', 'turned.jpg', 'cmyk.jpg')]
)  # fmt: skip
def test_which_files_simplejpeg_takes(tmp_path, monkeypatch, name, is_fast):
    taken = []
    decode = load_image_from_file.simplejpeg.decode_jpeg
    monkeypatch.setattr(
        load_image_from_file.simplejpeg,
        'decode_jpeg',
        lambda *args: taken.append(name) or decode(*args),
    )
    path = write(tmp_path, name, FILES[name])
    load(path, decoder='cv2')
    assert not taken
    load(path, decoder='simplejpeg')
    assert bool(taken) == is_fast
    load(path)
    assert len(taken) == 2 * is_fast


def test_a_cmyk_jpeg_has_its_colours(tmp_path):
    smooth = picture(64, 64).resize((8, 8)).resize((128, 128), Image.Resampling.BICUBIC)
    path = write(tmp_path, 'cmyk.jpg', jpeg(smooth.convert('CMYK'), quality=95))
    rgb = load(path)['img'][..., ::-1].astype(int)
    assert np.abs(rgb - np.asarray(smooth)).mean() < 3


BAD = {
    'empty.jpg': (b'', r'empty\.jpg is empty, 0 bytes; unpack'),
    'half.jpg': (FILES['large.jpg'][:9000], r'half\.jpg does not decode: image file is truncated'),
    'no_end.jpg': (FILES['large.jpg'][:-2], r'no_end\.jpg does not decode: .*; unpack'),
    'thumb.jpg': (with_exif(1)[:100], r'thumb\.jpg does not decode'),
    'text.jpg': (b'hello there', r'text\.jpg does not decode: it is damaged or no image; unpack'),
}


@pytest.mark.parametrize('decoder', ['auto', 'cv2'])
@pytest.mark.parametrize('name', BAD)
def test_a_bad_file_is_named_in_one_line(tmp_path, name, decoder):
    data, message = BAD[name]
    path = write(tmp_path, name, data)
    for cache in (None, dict(dir=str(tmp_path / 'cache'), max_gb=1)):
        with pytest.raises(UsageError, match=message) as raised:
            load(path, decoder=decoder, cache=cache)
        assert path in str(raised.value) and '\n' not in str(raised.value)


def test_a_png_that_is_cut_off_is_named(tmp_path):
    buffer = io.BytesIO()
    picture().save(buffer, 'PNG')
    path = write(tmp_path, 'cut.png', buffer.getvalue()[:3000])
    with pytest.raises(UsageError, match=r'cut\.png does not decode'):
        load(path)


def test_missing_and_closed_files_are_named(tmp_path):
    for cache in (None, dict(dir=str(tmp_path / 'cache'), max_gb=1)):
        with pytest.raises(UsageError, match=r'gone\.jpg does not exist; check the list'):
            load(str(tmp_path / 'gone.jpg'), cache=cache)
        with pytest.raises(UsageError, match='does not read: Is a directory'):
            load(str(tmp_path), cache=cache)


def test_it_is_pickled_and_says_its_settings():
    loader = LoadImageFromFile(color_type='grayscale', cache=dict(dir='a/b', max_gb=2))
    said = repr(pickle.loads(pickle.dumps(loader)))
    for part in ("color_type='grayscale'", "decoder='auto'", "cache=dict(dir='a/b', max_gb=2)"):
        assert part in said


def test_simplejpeg_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(load_image_from_file, 'simplejpeg', None)
    with pytest.raises(ImportError, match='pip install simplejpeg'):
        LoadImageFromFile(decoder='simplejpeg')
    check_parity(write(tmp_path, 'a.jpg', FILES['420.jpg']), {})


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(decoder='turbo'), "decoder='turbo' is none of auto"),
        (dict(decoder='cv2', imdecode_backend='pillow'), 'imdecode_backend=pillow'),
        (dict(decoder='simplejpeg', color_type='unchanged'), 'got cv2 and unchanged'),
        (dict(ignore_empty=True), r'max_bad_samples=N\) in the config'),
        (dict(cache=dict(dir='a', max_gb=0)), 'max_gb=0'),
        (
            dict(cache=dict(dir='a', max_gb=1), backend_args=dict(backend='local')),
            'leave out backend_args',
        ),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ValueError, match=message):
        LoadImageFromFile(**settings)
