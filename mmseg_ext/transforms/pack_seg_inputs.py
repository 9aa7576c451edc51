"""PackSegInputs that leaves bytes bytes."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs as MMSegPackSegInputs

from mmseg_ext.registry import TRANSFORMS

META_KEYS = (
    'img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip',
    'flip_direction', 'reduce_zero_label', 'on_device',
)  # fmt: skip


@TRANSFORMS.register_module()
class PackSegInputs(MMSegPackSegInputs):
    """MMSegmentation's PackSegInputs without a copy: for training, with our data preprocessor.

    The image stays as it lies in memory and is only looked at as (C, H, W), and labels stay uint8:
    an eighth of what the stock class sends to the GPU. ``mmseg_ext.SegDataPreProcessor`` makes
    int64 of them there; with any other, ``preflight`` refuses the config.

    Required Keys:

    - img: (H, W) or (H, W, C)
    - gt_seg_map (optional): (H, W)

    Modified Keys:

    - inputs: image, (C, H, W), of the image's type; replaces all keys together with
    - data_samples: ``SegDataSample`` with ``gt_sem_seg``, (1, H, W), of the labels' type

    Args:
        meta_keys: Keys that the data sample keeps as metainfo. ``on_device`` has to be among them.

    Raises:
        ValueError: ``on_device`` is not among ``meta_keys``, or labels are not (H, W).
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS):
        if 'on_device' not in meta_keys:
            raise ValueError("meta_keys lacks 'on_device': flips and colours left would be lost")
        super().__init__(tuple(meta_keys))

    def transform(self, results: dict) -> dict:
        """Packs a sample."""
        stock = {key: value for key, value in results.items() if key not in ('img', 'gt_seg_map')}
        packed = super().transform(stock)
        image = results['img']
        image = image[..., None] if image.ndim == 2 else image
        packed['inputs'] = _to_tensor(image).permute(2, 0, 1)
        if 'gt_seg_map' in results:
            label = results['gt_seg_map']
            if label.ndim != 2:
                raise ValueError(
                    f'{results.get("seg_map_path")}: labels are {label.shape}, not (H, W)'
                )
            packed['data_samples'].gt_sem_seg = PixelData(data=_to_tensor(label)[None])
        return packed


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    # torch shares the memory, so it wants one that may be written to, without negative strides
    owned = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if owned else np.array(array))
