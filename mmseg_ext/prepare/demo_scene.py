"""The pictures of the demo data: textured silhouettes in clutter, drawn by a program.

Colours are drawn anew for every object, so the mean colour of a class says nothing: a network has
to learn texture and shape.
"""

import math

import cv2
import numpy as np

from .demo_objects import NUM_OBJECT_CLASSES, OBJECTS, Array, smooth_noise, wave

BORDER = 1  # pixels of void on each side of an outline


def _paint(image: Array, mask: Array, pattern: Array, rng: np.random.Generator) -> None:
    """Colours the masked pixels by a pattern of 0..1, (height, width) or (height, width, 3).

    The two tones are apart in brightness and otherwise drawn without regard to any class.
    """
    middle, half = rng.uniform(75, 180, 3), rng.uniform(38, 60) * rng.choice([-1, 1])
    dark, bright = np.stack([middle - half, middle + half]) + rng.uniform(-15, 15, (2, 3))
    image[mask] = dark + (bright - dark) * np.atleast_3d(pattern)[mask]


def _frame(height: int, width: int, center: Array, angle: float) -> tuple[Array, Array]:
    """Pixel coordinates about ``center`` (x, y), turned by ``angle``; each (height, width)."""
    x = np.arange(width, dtype=np.float32)[None] - float(center[0])
    y = np.arange(height, dtype=np.float32)[:, None] - float(center[1])
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _background(height: int, width: int, rng: np.random.Generator) -> Array:
    """A soft, coloured ground with shapes of no class on it, (height, width, 3), RGB."""
    start, end = rng.uniform(40, 215, (2, 3))
    x, y = _frame(height, width, np.array([width / 2, height / 2]), rng.uniform(0, 2 * np.pi))
    ramp = np.clip(0.5 + y / max(height, width), 0, 1)[..., None]
    # drawn at an eighth of the size: the noise has no finer grain
    noise = smooth_noise((height // 8 + 1, width // 8 + 1, 3), rng.uniform(0.8, 2), rng)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    image = (start * (1 - ramp) + end * ramp + rng.uniform(6, 18) * noise).astype(np.float32)
    for _ in range(rng.integers(2, 6)):
        center = rng.uniform((0, 0), (width, height))
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        radius = rng.uniform(0.1, 0.3, (angle.size, 1)) * height
        corners = center + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        mask = _fill([corners], height, width)
        # plain, or bands wider than those of any class: a pattern alone is no object
        x, _ = _frame(height, width, center, rng.uniform(0, np.pi))
        _paint(image, mask, rng.choice([0, 1]) * wave(x, rng.uniform(26, 40)), rng)
    return image


def _fill(parts: list[Array], height: int, width: int) -> Array:
    """The union of polygons in pixels as a mask, (height, width), bool."""
    mask = np.zeros((height, width), np.uint8)
    for corners in parts:
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask.astype(bool)


def _draw_object(image: Array, name: str, half_size: float, rng: np.random.Generator) -> Array:
    """Paints an object into ``image`` and returns its mask, (height, width), bool."""
    parts, texture = OBJECTS[name]
    height, width = image.shape[:2]
    center = rng.uniform((0.3 * width, 0.3 * height), (0.7 * width, 0.7 * height))
    angle = rng.uniform(-0.2, 0.2)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    stretch = half_size * rng.uniform(0.85, 1.15, 2) * (rng.choice([-1, 1]), 1)
    mask = _fill([center + (part * stretch) @ turn for part in parts], height, width)
    zoom = float(rng.uniform(0.88, 1.14))
    x, y = _frame(height, width, center, angle)
    _paint(image, mask, texture(x / zoom, y / zoom, rng), rng)
    return mask


def draw_scene(main_class: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Draws one picture of one to three objects.

    Args:
        main_class: Class of the largest and foremost object, 1 to 20; the others are drawn.
        rng: Source of everything that is random.

    Returns:
        The image (H, W, 3), uint8, RGB; the classes (H, W), uint8, 0 to 20; and the void borders,
        (H, W), bool. H and W lie between 96 and 160.
    """
    short = int(rng.integers(96, 121))
    height, width = short, int(rng.integers(short, 161))
    if rng.random() < 0.35:
        height, width = width, height
    image = _background(height, width, rng)
    label = np.zeros((height, width), np.uint8)
    instance = np.zeros((height, width), np.uint8)
    classes = [*rng.integers(1, NUM_OBJECT_CLASSES + 1, rng.integers(0, 3)), main_class]
    for number, index in enumerate(classes, 1):
        half_size = short * (rng.uniform(0.36, 0.48) if number == len(classes) else 0.32)
        mask = _draw_object(image, list(OBJECTS)[index - 1], half_size, rng)
        label[mask], instance[mask] = index, number
    kernel = np.ones((2 * BORDER + 1, 2 * BORDER + 1), np.uint8)
    border = cv2.dilate(instance, kernel) != cv2.erode(instance, kernel)

    x, _ = _frame(height, width, np.array([width / 2, height / 2]), rng.uniform(0, 2 * np.pi))
    image *= (1 + float(rng.uniform(0, 0.3)) / short * x)[..., None]
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6))
    image += float(rng.uniform(2, 6)) * rng.standard_normal(image.shape, np.float32)
    return np.clip(image, 0, 255).astype(np.uint8), label, border
