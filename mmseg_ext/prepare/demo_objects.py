"""The 20 kinds of object in the demo data: a silhouette and a texture for each VOC class."""

from collections.abc import Callable

import cv2
import numpy as np

Array = np.ndarray
Texture = Callable[[Array, Array, np.random.Generator], Array]


# ---------------------------------------------------------------- silhouettes, in a box of [-1, 1]
def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _oval(x: float, y: float, radius_x: float, radius_y: float | None = None) -> Array:
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), y + (radius_y or radius_x) * np.sin(angle)], 1)


def _poly(*corners: tuple[float, float]) -> Array:
    return np.array(corners)


# ------------------------------------------- textures: pixels from the object's centre -> 0..1
def wave(x: Array, period: float) -> Array:
    """A square wave with softened edges."""
    return np.clip(0.5 + 1.5 * np.sin(2 * np.pi * x / period), 0, 1)


def _lines(x: Array, period: float, width: float) -> Array:
    """Lines ``width`` pixels wide, one every ``period`` pixels."""
    distance = np.abs((x + period / 2) % period - period / 2)
    return np.clip(width / 2 + 0.5 - distance, 0, 1)


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Array:
    """Gaussian noise blurred to a grain of ``sigma`` pixels, zero mean, unit deviation."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), sigma)
    return (noise - noise.mean()) / noise.std()


def _dots(x: Array, y: Array, period: float, radius: float) -> Array:
    row = np.floor(y / period)
    dx = (x + (row % 2) * period / 2) % period - period / 2
    dy = y % period - period / 2
    return np.clip(radius + 0.5 - np.hypot(dx, dy), 0, 1)


def _bricks(x: Array, y: Array, length: float, height: float) -> Array:
    row = np.floor(y / height)
    return np.maximum(_lines(y, height, 1.5), _lines(x + (row % 2) * length / 2, length, 1.5))


def _scales(x: Array, y: Array, period: float) -> Array:
    """Overlapping arcs, as on a roof or a fish."""
    row = np.floor(y / (period / 2))
    dx = (x + (row % 2) * period / 2) % period - period / 2
    return wave(np.hypot(dx, y % (period / 2)), period / 1.5)


def _checks(x: Array, y: Array, cell: float) -> Array:
    return np.abs(wave(x, 2 * cell) - wave(y, 2 * cell))


def _diamonds(x: Array, y: Array, cell: float) -> Array:
    return _checks((x + y) / np.sqrt(2), (x - y) / np.sqrt(2), cell)


# Every texture is its own mirror image in distribution: a left-right flip changes no class.
# Periods of one family differ by a factor of two or more, and none is under 4 px, so that JPEG,
# a mild resize and a stride-4 stem leave them apart.
OBJECTS: dict[str, tuple[list[Array], Texture]] = {
    'aeroplane': (
        [
            _oval(0, 0, 1, 0.22),
            _poly((0.3, 0), (-0.25, -1), (-0.6, -1), (-0.3, 0), (-0.6, 1), (-0.25, 1)),
            _poly((-0.6, 0), (-0.85, -0.45), (-1, -0.45), (-0.95, 0.45), (-0.85, 0.45)),
        ],
        lambda x, y, rng: _bricks(x, y, 12, 6),
    ),
    'bicycle': (
        [
            _oval(-0.58, 0.35, 0.42),
            _oval(0.58, 0.35, 0.42),
            _poly((-0.6, 0.4), (-0.25, -0.3), (0.35, -0.3), (0.6, 0.35), (0.05, 0.5)),
            _box(0.2, -0.7, 0.6, -0.25),
            _box(-0.5, -0.6, -0.05, -0.25),
        ],
        lambda x, y, rng: np.maximum(_lines(x, 6, 1.6), _lines(y, 6, 1.6)),
    ),
    'bird': (
        [
            _oval(0, 0.15, 0.65, 0.4),
            _oval(0.6, -0.3, 0.3),
            _poly((0.8, -0.45), (1.1, -0.25), (0.8, -0.1)),
            _poly((-0.45, 0), (-1, -0.3), (-1, 0.35)),
            _poly((-0.3, 0), (0.3, 0), (-0.5, -0.95)),
        ],
        lambda x, y, rng: wave(y + np.abs(x % 12 - 6), 8),
    ),
    'boat': (
        [
            _poly((-1, 0.3), (1, 0.3), (0.65, 0.9), (-0.65, 0.9)),
            _poly((-0.05, 0.35), (-0.05, -1), (0.8, 0.2)),
            _poly((-0.1, 0.35), (-0.1, -0.7), (-0.75, 0.2)),
        ],
        lambda x, y, rng: wave(y, 11),
    ),
    'bottle': (
        [
            _box(-0.4, -0.2, 0.4, 1),
            _poly((-0.4, -0.2), (-0.18, -0.5), (0.18, -0.5), (0.4, -0.2)),
            _box(-0.18, -1, 0.18, -0.45),
        ],
        lambda x, y, rng: wave(x, 4.5),
    ),
    'bus': (
        [_box(-1, -0.65, 1, 0.45), _oval(-0.55, 0.45, 0.25), _oval(0.55, 0.45, 0.25)],
        lambda x, y, rng: _lines(x, 10, 6) * _lines(y, 10, 6),
    ),
    'car': (
        [
            _box(-1, -0.1, 1, 0.45),
            _poly((-0.7, -0.05), (-0.4, -0.6), (0.35, -0.6), (0.7, -0.05)),
            _oval(-0.55, 0.45, 0.28),
            _oval(0.55, 0.45, 0.28),
        ],
        lambda x, y, rng: np.maximum(_lines(x + y, 12, 2.2), _lines(x - y, 12, 2.2)),
    ),
    'cat': (
        [
            _oval(0, 0.45, 0.52, 0.55),
            _oval(0, -0.35, 0.44, 0.4),
            _poly((-0.42, -0.35), (-0.4, -1), (0, -0.65)),
            _poly((0.42, -0.35), (0.4, -1), (0, -0.65)),
            _poly((0.35, 0.6), (0.85, 0), (1, 0.25), (0.5, 1)),
        ],
        lambda x, y, rng: wave(x + rng.choice([-1, 1]) * y, 7),
    ),
    'chair': (
        [
            _box(-0.6, -1, 0.6, 0.05),
            _poly((-0.6, 0), (0.6, 0), (0.8, 0.35), (-0.8, 0.35)),
            _box(-0.75, 0.3, -0.45, 1),
            _box(0.45, 0.3, 0.75, 1),
        ],
        lambda x, y, rng: wave(x, 11),
    ),
    'cow': (
        [
            _box(-0.8, -0.45, 0.55, 0.35),
            _poly((0.4, -0.8), (0.6, -0.7), (0.9, -0.75), (1, -0.1), (0.5, 0)),
            _box(-0.75, 0.3, -0.42, 0.9),
            _box(0.2, 0.3, 0.52, 0.9),
        ],
        lambda x, y, rng: np.clip(0.5 + 4 * smooth_noise(x.shape, 5, rng), 0, 1),
    ),
    'diningtable': (
        [
            _poly((-0.7, -0.5), (0.7, -0.5), (1, 0.15), (-1, 0.15)),
            _box(-0.9, 0.1, -0.58, 0.8),
            _box(0.58, 0.1, 0.9, 0.8),
        ],
        lambda x, y, rng: _checks(x, y, 7),
    ),
    'dog': (
        [
            _oval(-0.15, 0.1, 0.68, 0.38),
            _oval(0.55, -0.4, 0.35),
            _box(0.6, -0.45, 1.05, -0.1),
            _poly((-0.7, 0.1), (-1, -0.5), (-0.8, -0.55), (-0.5, -0.05)),
            _box(-0.7, 0.2, -0.4, 0.95),
            _box(0.15, 0.2, 0.45, 0.95),
        ],
        lambda x, y, rng: _dots(x, y, 9, 2.6),
    ),
    'horse': (
        [
            _oval(-0.2, 0, 0.68, 0.38),
            _poly((0.05, -0.2), (0.45, -0.9), (0.75, -0.8), (0.48, 0.2)),
            _poly((0.4, -1), (0.65, -0.95), (1.05, -0.5), (0.9, -0.3), (0.5, -0.55)),
            _poly((-0.75, -0.2), (-1, 0.1), (-1, 0.6), (-0.75, 0.2)),
            _box(-0.75, 0.1, -0.45, 1),
            _box(0.12, 0.1, 0.42, 1),
        ],
        lambda x, y, rng: wave(x + rng.choice([-1, 1]) * y, 16),
    ),
    'motorbike': (
        [
            _oval(-0.6, 0.42, 0.4),
            _oval(0.6, 0.42, 0.4),
            _poly((-0.9, -0.2), (0.2, -0.3), (0.4, -0.75), (0.7, -0.7), (0.7, 0.5), (-0.5, 0.5)),
        ],
        lambda x, y, rng: wave(np.hypot(x, y), 7),
    ),
    'person': (
        [
            _oval(0, -0.76, 0.24),
            _poly((-0.5, -0.5), (0.5, -0.5), (0.34, 0.3), (-0.34, 0.3)),
            _poly((-0.5, -0.5), (-0.25, -0.45), (-0.5, 0.3), (-0.75, 0.25)),
            _poly((0.5, -0.5), (0.25, -0.45), (0.5, 0.3), (0.75, 0.25)),
            _box(-0.36, 0.2, -0.04, 1),
            _box(0.04, 0.2, 0.36, 1),
        ],
        lambda x, y, rng: wave(y, 4.5),
    ),
    'pottedplant': (
        [
            _poly((-0.42, 0.3), (0.42, 0.3), (0.3, 1), (-0.3, 1)),
            _oval(0, -0.4, 0.5, 0.58),
            _oval(-0.42, 0, 0.36),
            _oval(0.42, 0, 0.36),
        ],
        lambda x, y, rng: _scales(x, y, 10),
    ),
    'sheep': (
        [
            _oval(-0.45, 0, 0.42),
            _oval(0, -0.15, 0.45),
            _oval(0.3, 0.05, 0.42),
            _oval(-0.1, 0.2, 0.42),
            _oval(0.75, -0.35, 0.27, 0.3),
            _box(-0.6, 0.3, -0.3, 0.9),
            _box(0.15, 0.3, 0.45, 0.9),
        ],
        lambda x, y, rng: np.clip(0.5 + 0.6 * smooth_noise(x.shape, 1.3, rng), 0, 1),
    ),
    'sofa': (
        [
            _box(-0.8, -0.6, 0.8, 0.3),
            _box(-1, -0.2, -0.6, 0.65),
            _box(0.6, -0.2, 1, 0.65),
            _box(-0.7, 0.1, 0.7, 0.6),
        ],
        lambda x, y, rng: _diamonds(x, y, 7),
    ),
    'train': (
        [
            _poly((-1, -0.5), (0.5, -0.5), (1, 0.05), (1, 0.4), (-1, 0.4)),
            _oval(-0.65, 0.4, 0.2),
            _oval(0, 0.4, 0.2),
            _oval(0.6, 0.4, 0.2),
        ],
        lambda x, y, rng: _checks(x, y, 3),
    ),
    'tvmonitor': (
        [
            _box(-0.95, -0.75, 0.95, 0.45),
            _box(-0.2, 0.4, 0.2, 0.7),
            _box(-0.55, 0.6, 0.55, 0.85),
        ],
        # each channel on its own: the coloured static of an empty channel
        lambda x, y, rng: 0.5 + 0.4 * smooth_noise((*x.shape, 3), 0.8, rng),
    ),
}
NUM_OBJECT_CLASSES = len(OBJECTS)
