import mmcv
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import ColorJitter

ENHANCERS = dict(
    brightness=ImageEnhance.Brightness,
    contrast=ImageEnhance.Contrast,
    saturation=ImageEnhance.Color,
)
MMCV = dict(
    brightness=mmcv.adjust_brightness,
    contrast=mmcv.adjust_contrast,
    saturation=mmcv.adjust_color,
    hue=mmcv.adjust_hue,
)


def picture(shape=(40, 50, 3)):
    # darker in blue than in red: an RGB order taken for BGR would show
    noise = np.random.default_rng(0).integers(0, 256, shape) * np.array([0.4, 0.7, 1.0])
    return noise.astype(np.uint8)


def jitter(image, seed=0, **settings):
    np.random.seed(seed)
    return ColorJitter(**settings)(dict(img=image))['img']


@pytest.mark.parametrize('factor', [0.0, 0.3, 1.1, 2.5])
@pytest.mark.parametrize('step', list(ENHANCERS))
def test_a_step_is_pillows_and_mmcvs(step, factor):
    image = picture()
    jittered = jitter(image, **{step: (factor, factor)}).astype(int)
    in_rgb = Image.fromarray(image[..., ::-1].copy())
    pillow = np.asarray(ENHANCERS[step](in_rgb).enhance(factor))[..., ::-1]
    # Pillow cuts to whole numbers where this rounds; its mean grey may be one off, times 1.5
    assert np.abs(jittered - pillow).max() <= (3 if step == 'contrast' else 2)
    assert np.abs((jittered - pillow).mean()) <= 0.8
    assert np.abs(jittered - MMCV[step](image, factor)).max() <= 2


def test_hue_is_mmcvs():
    image = picture()
    assert (jitter(image, hue=(0.2, 0.2)) == mmcv.adjust_hue(image, 0.2)).all()


def test_a_grey_image_is_one_of_equal_channels():
    grey = picture()[..., 0].copy()
    settings = dict(brightness=0.3, contrast=0.5)
    for seed in range(5):
        jittered = jitter(grey, seed, **settings)
        in_colour = jitter(np.stack([grey] * 3, -1), seed, **settings)
        assert np.abs(in_colour - jittered[..., None].astype(int)).max() <= 1
        with_axis = jitter(grey[..., None], seed, **settings)
        np.testing.assert_array_equal(with_axis, jittered[..., None])


@pytest.mark.parametrize(
    'given, low, high', [(0.4, 0.6, 1.4), (1.5, 0, 2.5), ((0.5, 0.7), 0.5, 0.7)]
)
def test_factors_are_uniform_in_torchvisions_range(given, low, high):
    image = np.full((1, 1, 3), 100, np.uint8)
    values = [jitter(image, seed, brightness=given)[0, 0, 0] / 100 for seed in range(800)]
    assert low - 0.006 <= min(values) and max(values) <= high + 0.006
    shares = np.histogram(values, 4, (low, high))[0] / 800
    assert np.abs(shares - 0.25).max() < 0.06


def test_the_order_is_random():
    # brightness clips to white or contrast spreads first: the order shows
    image = np.array([[[100] * 3, [200] * 3]], np.uint8)
    results = {
        tuple(jitter(image, seed, brightness=(2, 2), contrast=(0.5, 0.5))[0, :, 0].tolist())
        for seed in range(20)
    }
    assert results == {(214, 242), (250, 255)}


def test_prob_is_the_share_of_images():
    transform, image = ColorJitter(brightness=(2, 2), prob=0.3), np.full((2, 2, 3), 50, np.uint8)
    np.random.seed(0)
    jittered = [transform(dict(img=image))['img'][0, 0, 0] == 100 for _ in range(2000)]
    assert np.mean(jittered) == pytest.approx(0.3, abs=0.035)


@pytest.mark.parametrize(
    'settings, said',
    [
        (dict(), 'brightness=0'),
        (dict(brightness=(1, 1), hue=(0, 0)), 'no effect'),
        (dict(brightness=-0.1), 'brightness'),
        (dict(contrast=(-1, 1)), 'contrast'),
        (dict(saturation=(2, 1)), 'saturation'),
        (dict(brightness=float('inf')), 'brightness'),
        (dict(hue=0.6), 'hue'),
        (dict(hue=-0.1), 'hue'),
        (dict(brightness=0.4, prob=0), 'prob'),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        ColorJitter(**settings)


@pytest.mark.parametrize(
    'shape, settings', [((8, 8), dict(saturation=0.4)), ((8, 8, 4), dict(brightness=0.4))]
)
def test_images_of_other_channels_are_named(shape, settings):
    with pytest.raises(UsageError, match=r'ColorJitter: b\.jpg'):
        ColorJitter(**settings)(dict(img=np.zeros(shape, np.uint8), img_path='b.jpg'))
