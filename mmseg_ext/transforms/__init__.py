"""Transforms of samples and of batches; importing this package registers them."""

from .colour import Distortion
from .copy_paste import CopyPaste
from .cutmix import CutMix
from .mixup import MixUp
from .pack_seg_inputs import PackSegInputs
from .photo_metric_distortion import PhotoMetricDistortion
from .random_flip import RandomFlip
from .random_resize_crop import RandomResizeCrop

__all__ = [
    'CopyPaste',
    'CutMix',
    'Distortion',
    'MixUp',
    'PackSegInputs',
    'PhotoMetricDistortion',
    'RandomFlip',
    'RandomResizeCrop',
]
