"""Samples and chains that the tests of transforms share."""

import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS


def make_sample(height: int = 96, width: int = 130, channels: int = 3, seed: int = 0) -> dict:
    """A smooth picture and blocks of labels, 255 among them, read-only as from a cache."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / rng.uniform(5, 30) + y / rng.uniform(5, 30)) for _ in range(channels)]
    image = (127 + 110 * np.stack(waves, -1) + rng.normal(0, 4, (height, width, channels))).clip(
        0, 255
    )
    blocks = rng.choice([0, 0, 0, 1, 2, 3, 255], (height // 24 + 1, width // 24 + 1))
    label = blocks[y // 24, x // 24].astype(np.uint8)
    image = image.astype(np.uint8)
    image.flags.writeable = label.flags.writeable = False
    return dict(
        img=image,
        gt_seg_map=label,
        seg_fields=['gt_seg_map'],
        img_path='image.jpg',
        seg_map_path='label.png',
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        reduce_zero_label=False,
    )


def compose(*steps: dict) -> Compose:
    """A pipeline, with MMSegmentation's names as the default."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        return Compose([TRANSFORMS.build(step) for step in steps])


def run_seeded(chain, sample: dict, seed: int = 0) -> dict:
    """What a chain makes of a sample under a seed."""
    np.random.seed(seed)
    return chain(dict(sample, seg_fields=list(sample['seg_fields'])))
