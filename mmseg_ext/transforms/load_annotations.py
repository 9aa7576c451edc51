"""Label maps from files, checked as they are read."""

import functools
import io

import cv2
import mmengine.fileio as fileio
import numpy as np
from mmseg.datasets.transforms import LoadAnnotations as StockLoadAnnotations
from PIL import Image

from mmseg_ext.datasets.decoded_cache import DecodedCache
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.masks import RECODE, way_out
from mmseg_ext.registry import TRANSFORMS

from .reading import decode, read_bytes

PNG = b'\x89PNG\r\n\x1a\n'
# where a PNG says its bits a channel and its colours, and what it says there of bytes of grey
BYTE_OF_GREY, GREY = slice(24, 26), b'\x08\x00'


@TRANSFORMS.register_module()
class LoadAnnotations(StockLoadAnnotations):
    """Loads labels as MMSegmentation's ``LoadAnnotations`` does, and refuses what are none.

    The stock transform takes 16-bit labels modulo 256 and colours as they are. The cache keeps the
    labels of the file; ``reduce_zero_label`` and ``label_map`` are applied to a copy afterwards, so
    that a change of the classes needs no new one.

    Required Keys:

    - seg_map_path
    - seg_fields
    - reduce_zero_label
    - label_map (optional)
    - ori_shape (optional): (H, W), which the labels must have

    Added Keys:

    - gt_seg_map: (H, W), uint8. Read-only if it comes from the cache unchanged

    Modified Keys:

    - seg_fields

    Args:
        args: Those of MMSegmentation's ``LoadAnnotations``.
        cache: ``dict(dir=..., max_gb=...)`` keeps decoded labels on the disk
            (``mmseg_ext.datasets.decoded_cache``); images may share the folder.
        kwargs: Those of MMSegmentation's ``LoadAnnotations``.

    Raises:
        UsageError: When loading: a file is missing, empty, cut off or no image, is not one byte a
            pixel, or of another size than its image.
        ValueError: When built: a cache of remote files.
    """

    def __init__(self, *args, cache: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.cache = None
        if cache is not None:
            if self.backend_args:
                raise ValueError('cache keeps files of this machine: leave out backend_args')
            self.cache = DecodedCache(**cache, kind='mask', settings=str(self.imdecode_backend))

    def _load_seg_map(self, results: dict) -> None:
        path = results['seg_map_path']
        load = functools.partial(self._load, path)
        label = self.cache.get(path, load) if self.cache else load()
        size = results.get('ori_shape')
        if size is not None and tuple(size) != label.shape:
            raise UsageError(
                f'{path} is {_size(label.shape)}, its image {results.get("img_path")} '
                f'{_size(size)}; check that they belong together, and that EXIF turns neither'
            )
        table = self._table(results)
        results['gt_seg_map'] = label if table is None else cv2.LUT(label, table)
        results['seg_fields'].append('gt_seg_map')

    def _load(self, path: str) -> np.ndarray:
        data = read_bytes(path, functools.partial(fileio.get, backend_args=self.backend_args))
        backend = self.imdecode_backend
        if backend == 'pillow' and data.startswith(PNG) and data[BYTE_OF_GREY] == GREY:
            backend = 'cv2'  # the same values, in three quarters of the time
        label = decode(path, data, 'unchanged', backend)
        if label.ndim == 3 and label.shape[2] == 1:
            label = label[..., 0]
        if label.dtype == bool:  # black and white
            label = label.astype(np.uint8)
        if label.dtype != np.uint8 or label.ndim != 2:
            raise UsageError(f'{path} {self._describe(data, label)}')
        return label

    def _describe(self, data: bytes, label: np.ndarray) -> str:
        if self.imdecode_backend == 'pillow':
            mode = Image.open(io.BytesIO(data)).mode
            return f'is of mode {mode}, {way_out(mode)} ({RECODE})'
        return (
            f'becomes {label.dtype} of shape {label.shape} by {self.imdecode_backend}, not labels '
            f"of one byte a pixel; use imdecode_backend='pillow', or save it as such ({RECODE})"
        )

    def _table(self, results: dict) -> np.ndarray | None:
        """What becomes of each label; None if they stay."""
        reduces, label_map = results['reduce_zero_label'], results.get('label_map')
        if self.reduce_zero_label not in (None, reduces):
            raise UsageError(
                f'reduce_zero_label={reduces} in the dataset, {self.reduce_zero_label} in its '
                'LoadAnnotations; set it in the dataset alone'
            )
        if not reduces and label_map is None:
            return None
        table = np.arange(256, dtype=np.uint8)
        if reduces:
            table[1:255] = np.arange(254)
            table[0] = 255
        original = table.copy()
        for old, new in (label_map or {}).items():
            table[original == old] = new
        return table

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, cache={self.cache})'


def _size(shape: tuple[int, ...]) -> str:
    return f'{shape[1]}x{shape[0]}'
