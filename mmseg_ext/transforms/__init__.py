"""Transforms of samples and of batches; importing this package registers them."""

from .aligned_resize import AlignedResize
from .color_jitter import ColorJitter
from .colour import Distortion
from .copy_paste import CopyPaste
from .cutmix import CutMix
from .gaussian_blur import GaussianBlur
from .load_annotations import LoadAnnotations
from .load_image_from_file import LoadImageFromFile
from .mixup import MixUp
from .pack_seg_inputs import PackSegInputs
from .photo_metric_distortion import PhotoMetricDistortion
from .random_erasing import RandomErasing
from .random_flip import RandomFlip
from .random_resize_crop import RandomResizeCrop
from .random_rotate import RandomRotate
from .verify_shapes import VerifyShapes

__all__ = [
    'AlignedResize',
    'ColorJitter',
    'CopyPaste',
    'CutMix',
    'Distortion',
    'GaussianBlur',
    'LoadAnnotations',
    'LoadImageFromFile',
    'MixUp',
    'PackSegInputs',
    'PhotoMetricDistortion',
    'RandomErasing',
    'RandomFlip',
    'RandomResizeCrop',
    'RandomRotate',
    'VerifyShapes',
]
