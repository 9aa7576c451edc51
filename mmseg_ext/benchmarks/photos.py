"""Made photographs, which cost to decode what photographs of that size cost."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 512, 683  # ADE20K's usual size
NUM_CLASSES = 150
# Octaves of noise, from the size of the picture to that of a pixel; the amplitude falls by this
# factor each, so that a file of quality 90 has the 75 to 100 kB of a photograph.
OCTAVES, FALL = 7, 0.55
AMPLITUDE = 48.0  # grey levels of the coarsest


def write_photos(folder: Path, number: int, seed: int = 0) -> list[dict]:
    """Writes JPEG images of 512x683 pixels, quality 90, and PNG masks of 10 to 20 regions.

    Args:
        folder: Takes them.
        number: How many.
        seed: Of the pictures.

    Returns:
        What a dataset would say about each sample.
    """
    infos = []
    for index in range(number):
        image, label = draw_photo(np.random.default_rng([seed, index]))
        paths = folder / f'{index:04}.jpg', folder / f'{index:04}.png'
        Image.fromarray(image).save(paths[0], quality=90)
        Image.fromarray(label).save(paths[1])
        infos.append(
            dict(
                img_path=str(paths[0]),
                seg_map_path=str(paths[1]),
                label_map=None,
                reduce_zero_label=False,
                seg_fields=[],
            )
        )
    return infos


def draw_photo(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws regions with colours of their own under noise of all scales, as photographs have it.

    Returns:
        The image, (512, 683, 3), uint8, RGB, and the labels, (512, 683), uint8.
    """
    noise = _fractal(rng)
    number = int(rng.integers(10, 21))
    centres = rng.uniform((0, 0), (HEIGHT, WIDTH), (number, 2)).astype(np.float32)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    # outlines that wave: the nearest centre, seen from a place that smooth noise has moved
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    y, x = y + 0.6 * smooth[..., 0], x + 0.6 * smooth[..., 1]
    distance = np.stack([(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in centres])
    region = distance.argmin(0)
    # sizes as unequal as in a street: some regions are of one class
    classes = rng.integers(0, NUM_CLASSES, number).astype(np.uint8)
    colours = rng.uniform(60, 195, (number, 3)).astype(np.float32)
    image = colours[region] + noise
    return np.clip(image, 0, 255).astype(np.uint8), classes[region]


def _fractal(rng: np.random.Generator) -> np.ndarray:
    """Noise of all scales, (512, 683, 3), float32; most of it is common to the channels."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for octave in range(OCTAVES):
        cells = 2 ** (OCTAVES - 1 - octave)
        shape = -(-HEIGHT // cells) + 3, -(-WIDTH // cells) + 3
        grey = rng.standard_normal((*shape, 1), np.float32)
        tint = rng.standard_normal((*shape, 3), np.float32)
        layer = (grey + 0.3 * tint) * AMPLITUDE * FALL**octave
        size = shape[1] * cells, shape[0] * cells
        image += cv2.resize(layer, size, interpolation=cv2.INTER_CUBIC)[:HEIGHT, :WIDTH]
    return image
