"""Stops at the first image and label file that do not belong together."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class VerifyShapes(BaseTransform):
    """Names the files if image and labels differ in size or have a type that no network takes.

    It belongs right after the transforms that load. In a test pipeline labels are loaded after
    Resize, and keep the file's size on purpose: put it before Resize, where it checks the image
    alone, and not at the end. No pixel is read.

    Required Keys:

    - img, (H, W) or (H, W, C)
    - the maps in seg_fields (optional)
    - img_path, seg_map_path (optional), for the message

    Modified Keys: none.

    Args:
        channels: Number of channels of every image, 1 for grey ones; None takes any.

    Raises:
        ValueError: ``channels`` below 1.
        UsageError: From the call: an image that is not uint8 or has other channels, labels that
            are not one whole number a pixel, or sizes that differ.
    """

    def __init__(self, channels: int | None = 3) -> None:
        if channels is not None and channels < 1:
            raise ValueError(f'channels is None or at least 1, got {channels}')
        self.channels = channels

    def transform(self, results: dict) -> dict:
        """Checks a sample."""
        image, file = results['img'], results.get('img_path', 'the image')
        if image.dtype != np.uint8:
            raise UsageError(
                f'{file} is {image.dtype}, and images are uint8; do not set to_float32, and '
                'convert 16-bit images to 8 bits'
            )
        count = image.shape[2] if image.ndim == 3 else 1
        if image.ndim not in (2, 3) or self.channels not in (None, count):
            raise UsageError(
                f'{file} has shape {image.shape} and not {self.channels} channels; set '
                "LoadImageFromFile's color_type, or VerifyShapes(channels=...)"
            )
        for key in results.get('seg_fields', []):
            label = results[key]
            label_file = f'{results.get("seg_map_path", "its label")} ({key})'
            if label.ndim != 2:
                raise UsageError(
                    f'{label_file} has shape {label.shape}, and labels are (H, W), one number a '
                    'pixel; convert a colour mask by its palette'
                )
            if not np.issubdtype(label.dtype, np.integer):
                raise UsageError(
                    f'{label_file} is {label.dtype}, and labels are whole numbers; save it as uint8'
                )
            if label.shape != image.shape[:2]:
                raise UsageError(
                    f'{file} is {_size(image)}, but {label_file} is {_size(label)} (width x '
                    f'height); {_way_out(image, label)}'
                )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(channels={self.channels})'


def _size(array: np.ndarray) -> str:
    return f'{array.shape[1]}x{array.shape[0]}'


def _way_out(image: np.ndarray, label: np.ndarray) -> str:
    if label.shape == image.shape[1::-1]:
        return (
            'a quarter turn, as an EXIF orientation makes it: load the image with '
            "color_type='color_ignore_orientation', or turn the label"
        )
    return (
        'check that they are a pair, and resize the label by the nearest pixel if they are; labels '
        'loaded after Resize come after VerifyShapes'
    )
