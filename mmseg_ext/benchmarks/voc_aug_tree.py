"""A tree with as many .mat files as one likes, of the size and layout of SBD's."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmseg_ext.prepare.lists import write_names
from mmseg_ext.prepare.sbd_mat import NUM_OBJECT_CLASSES, sbd_mat_bytes

HEIGHT, WIDTH = 375, 500  # most of VOC's photographs
NUM_DISTINCT = 60  # masks drawn; the files share them in turn
VAL_SHARE, TRAIN_SHARE = 0.07, 0.12  # of SBD's images that are in VOC's val and train, roughly


def draw_outlines(rng: np.random.Generator) -> np.ndarray:
    """Draws one to four objects with outlines as uneven as hand-drawn ones.

    Returns:
        Labels, (375, 500), uint8, 0 to 20.
    """
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    waves = np.arange(2, 40)
    for _ in range(rng.integers(1, 5)):
        heights = rng.normal(0, 0.35, waves.size) / waves
        phases = rng.uniform(0, 2 * np.pi, waves.size)
        radius = 1 + (heights * np.cos(waves * angle[:, None] + phases)).sum(1)
        radius = np.clip(radius, 0.2, 2) * rng.uniform(0.1, 0.45) * HEIGHT
        center = rng.uniform((0.1, 0.1), (0.9, 0.9)) * (WIDTH, HEIGHT)
        corners = center + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        index = int(rng.integers(1, NUM_OBJECT_CLASSES + 1))
        cv2.fillPoly(labels, [np.rint(corners).astype(np.int32)], index)
    return labels


def write_tree(root: Path, num_mats: int, seed: int = 0) -> int:
    """Writes ``VOCdevkit`` and ``benchmark_RELEASE`` below ``root``, with plain photographs.

    Args:
        root: An empty folder.
        num_mats: .mat files.
        seed: Of the outlines.

    Returns:
        Names in ``trainaug``.
    """
    voc, sbd = root / 'VOCdevkit/VOC2012', root / 'benchmark_RELEASE/dataset'
    for folder in (voc / 'JPEGImages', sbd / 'cls'):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    mats = [sbd_mat_bytes(draw_outlines(rng)) for _ in range(min(NUM_DISTINCT, num_mats))]
    stream = io.BytesIO()
    Image.new('RGB', (WIDTH, HEIGHT)).save(stream, 'JPEG')
    names = [f'2008_{number:06}' for number in range(num_mats)]
    for number, name in enumerate(names):
        (sbd / 'cls' / f'{name}.mat').write_bytes(mats[number % len(mats)])
        (voc / 'JPEGImages' / f'{name}.jpg').write_bytes(stream.getvalue())
    num_val, num_train = int(VAL_SHARE * num_mats), int(TRAIN_SHARE * num_mats)
    lists = voc / 'ImageSets/Segmentation'
    write_names(lists / 'val.txt', names[:num_val])
    write_names(lists / 'train.txt', names[num_val : num_val + num_train])
    write_names(sbd / 'train.txt', names[::2])
    write_names(sbd / 'val.txt', names[1::2])
    return num_mats - num_val
