import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import GaussianBlur


def picture(*channels):
    return np.random.default_rng(0).integers(0, 256, (30, 40, *channels), dtype=np.uint8)


@pytest.mark.parametrize('channels', [(), (1,), (3,), (4,)], ids=str)
@pytest.mark.parametrize('sigma, kernel_size', [(0.5, None), (1.4, None), (2.0, 5)])
def test_it_is_scipys(sigma, kernel_size, channels):
    image = picture(*channels)
    blurred = GaussianBlur(1, sigma, kernel_size)(dict(img=image))['img']
    radius = kernel_size // 2 if kernel_size else int(np.ceil(3 * sigma))
    theirs = gaussian_filter(
        image.astype(float), (sigma, sigma, *[0] * len(channels)), mode='mirror', radius=radius
    )
    assert blurred.shape == image.shape
    # OpenCV's weights for 8 bits are 256ths
    assert np.abs(blurred - theirs).max() < 2
    assert np.abs(blurred - theirs).mean() < 0.6


def test_sigma_is_drawn_from_its_range():
    point = np.zeros((15, 15), np.uint8)
    point[7, 7] = 255
    transform = GaussianBlur(1, (0.8, 1.2))
    np.random.seed(0)
    peaks = [int(transform(dict(img=point))['img'][7, 7]) for _ in range(200)]
    expected = [255 / (2 * np.pi * sigma**2) for sigma in (1.2, 0.8)]
    assert min(peaks) == pytest.approx(expected[0], abs=2)
    assert max(peaks) == pytest.approx(expected[1], abs=2)


def test_the_smallest_sigma_that_is_taken_shows():
    step = np.zeros((9, 9), np.uint8)
    step[:, 5:] = 255
    assert (GaussianBlur(1, 0.21)(dict(img=step))['img'] == step).all()
    assert (GaussianBlur(1, 0.3)(dict(img=step))['img'] != step).any()


def test_prob_is_the_share_of_images():
    transform, image = GaussianBlur(0.3, 1.0), picture()
    np.random.seed(0)
    blurred = [(transform(dict(img=image))['img'] != image).any() for _ in range(2000)]
    assert np.mean(blurred) == pytest.approx(0.3, abs=0.035)


@pytest.mark.parametrize(
    'settings',
    [
        dict(prob=0),
        dict(sigma=0),
        dict(sigma=(2, 1)),
        dict(sigma=(0.01, 0.1)),
        dict(sigma=(1, float('inf'))),
        dict(kernel_size=4),
        dict(kernel_size=1),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings):
    [name] = settings
    with pytest.raises(ValueError, match=name):
        GaussianBlur(**settings)


def test_images_that_are_not_uint8_are_named():
    with pytest.raises(UsageError, match=r'GaussianBlur: b\.jpg is uint16'):
        GaussianBlur()(dict(img=picture().astype(np.uint16), img_path='b.jpg'))
