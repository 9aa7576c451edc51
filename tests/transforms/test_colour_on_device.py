"""The batched distortion against MMSegmentation's, which calls OpenCV."""

import cv2
import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import PhotoMetricDistortion

from mmseg_ext.transforms import Distortion
from mmseg_ext.transforms.colour_on_device import distort_batch

SIZE = (96, 128)


def make_images(number, seed=0):
    """Noise, smooth colours, greys and extremes, uint8, (N, H, W, 3)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (number, *SIZE, 3), dtype=np.uint8)
    smooth = cv2.resize(images[0, :4, :4], SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    images[1::2] = smooth
    images[:, :8, :, 1:] = images[:, :8, :, :1]
    images[:, 8:16] //= 128
    images[:, 16:24] |= 240
    return images


def to_batch(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def to_images(batch):
    images = batch.permute(0, 2, 3, 1).numpy()
    assert (images == images.astype(np.uint8)).all(), 'whole numbers from 0 to 255'
    return images


class Scripted:
    """Gives the stock transform's draws, as np.random would, from a distortion."""

    def __init__(self, draw):
        first, last = (draw.contrast, None) if draw.contrast_first else (None, draw.contrast)
        contrast = first if draw.contrast_first else last
        order = [draw.brightness, 'mode', contrast, draw.saturation, draw.hue]
        if not draw.contrast_first:
            order = [draw.brightness, 'mode', draw.saturation, draw.hue, contrast]
        self.draws = []
        for amount in order:
            if amount == 'mode':
                self.draws.append(int(draw.contrast_first))
            else:
                self.draws += [0] if amount is None else [1, amount]

    def take(self, *_):
        return self.draws.pop(0)


def stock(image, draw, monkeypatch):
    scripted = Scripted(draw)
    module = 'mmseg.datasets.transforms.transforms.random'
    monkeypatch.setattr(f'{module}.randint', scripted.take)
    monkeypatch.setattr(f'{module}.uniform', scripted.take)
    result = PhotoMetricDistortion()(dict(img=image))['img']
    assert not scripted.draws
    return result


def draw_distortion(rng):
    def sometimes(value):
        return value if rng.random() < 0.5 else None

    return Distortion(
        brightness=sometimes(rng.uniform(-32, 32)),
        contrast=sometimes(rng.uniform(0.5, 1.5)),
        saturation=sometimes(rng.uniform(0.5, 1.5)),
        hue=sometimes(int(rng.integers(-18, 18))),
        contrast_first=bool(rng.random() < 0.5),
    )


def test_a_batch_is_what_the_stock_transform_makes_of_each_image(monkeypatch):
    rng = np.random.default_rng(3)
    images = make_images(40)
    draws = [draw_distortion(rng) for _ in images]
    got = to_images(distort_batch(to_batch(images), draws))
    means, largest = [], 0
    for image, draw, ours in zip(images, draws, got, strict=True):
        difference = np.abs(ours - stock(image, draw, monkeypatch))
        means.append(difference.mean())
        largest = max(largest, difference.max())
    print(f'\nmean difference {np.mean(means):.4f}, of an image {max(means):.4f}, most {largest}')
    assert max(means) < 0.5
    assert np.mean(means) < 0.05


@pytest.mark.parametrize(
    'draw',
    [
        Distortion(brightness=-20.5),
        Distortion(brightness=31.9, contrast=0.51),
        Distortion(brightness=31.9, contrast=1.49, contrast_first=True),
    ],
)
def test_without_hsv_it_is_exact(draw, monkeypatch):
    images = make_images(2)
    got = to_images(distort_batch(to_batch(images), [draw, draw]))
    for image, ours in zip(images, got, strict=True):
        assert (ours == stock(image, draw, monkeypatch)).all()


@pytest.mark.parametrize('draw', [Distortion(saturation=0.6), Distortion(hue=-17)])
def test_each_step_in_hsv_is_within_a_level_or_two(draw, monkeypatch):
    image = make_images(2)[1]
    (ours,) = to_images(distort_batch(to_batch(image[None]), [draw]))
    difference = np.abs(ours - stock(image, draw, monkeypatch))
    assert difference.max() <= 1
    assert difference.mean() < 0.02


def test_images_without_a_step_are_left_as_they_are():
    images = to_batch(make_images(3))
    kept = images.clone()
    draws = [None, Distortion(saturation=1.4, hue=9, brightness=3.0), Distortion()]
    got = distort_batch(images, draws)
    assert torch.equal(images, kept)
    assert torch.equal(got[0], images[0]) and torch.equal(got[2], images[2])
    assert not torch.equal(got[1], images[1])
    alone = distort_batch(images[1:2], draws[1:2])
    assert torch.equal(got[1], alone[0])


def test_grey_stays_grey():
    grey = torch.arange(256.0).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for draw in (Distortion(hue=10), Distortion(saturation=1.5)):
        assert torch.equal(distort_batch(grey, [draw]), grey)


@pytest.mark.parametrize('shape', [(1, 4, 8, 8), (1, 1, 8, 8), (3, 8, 8)])
def test_other_channels_are_refused(shape):
    with pytest.raises(ValueError, match=r'need images of \(N, 3, H, W\)'):
        distort_batch(torch.zeros(shape), [None])


def test_every_image_needs_its_draw():
    with pytest.raises(ValueError, match='1 distortions for 2 images'):
        distort_batch(torch.zeros(2, 3, 4, 4), [None])
