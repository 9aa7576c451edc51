"""Images from files, faster where that gives the same pixels."""

import functools

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile as StockLoadImageFromFile

from mmseg_ext.datasets.decoded_cache import DecodedCache
from mmseg_ext.registry import TRANSFORMS

from .reading import decode, read_bytes

try:
    import simplejpeg
except ImportError:  # an extra
    simplejpeg = None

DECODERS = ('auto', 'simplejpeg', 'cv2')
# what simplejpeg decodes to for each color_type
COLOURS = {
    'color': 'BGR',
    'color_ignore_orientation': 'BGR',
    'grayscale': 'GRAY',
    'grayscale_ignore_orientation': 'GRAY',
}
APP1, START_OF_SCAN = b'\xff\xe1', b'\xff\xda'


@TRANSFORMS.register_module()
class LoadImageFromFile(StockLoadImageFromFile):
    """Loads an image as mmcv's ``LoadImageFromFile`` does, and names the file that does not load.

    The pixels are those of the stock transform. simplejpeg decodes JPEGs in grey or YCbCr; what it
    may not do identically goes the stock way: other formats, CMYK, JPEGs with EXIF where OpenCV
    turns them upright, and those that it finds a fault in. With a cache, an image is decoded once
    and then mapped from the disk, read-only; a crop reads only its own pages.

    Required Keys:

    - img_path

    Added Keys:

    - img: (H, W, 3) BGR, or (H, W) for grey; uint8, or float32 with ``to_float32``. Read-only if it
      comes from the cache
    - img_shape: (H, W)
    - ori_shape: (H, W)

    Args:
        args: Those of mmcv's ``LoadImageFromFile``.
        decoder: ``'auto'`` takes simplejpeg if it is installed and ``imdecode_backend`` is
            ``'cv2'``; ``'simplejpeg'`` insists on it; ``'cv2'`` does without.
        cache: ``dict(dir=..., max_gb=...)`` keeps decoded images on the disk
            (``mmseg_ext.datasets.decoded_cache``); of 8-bit files on this machine only.
        kwargs: Those of mmcv's ``LoadImageFromFile``. ``ignore_empty=True`` is refused: the stock
            transform then replaces images without a word.

    Raises:
        UsageError: When loading: a file is missing, empty, cut off or no image.
        ValueError: When built: settings that contradict each other.
        ImportError: When built: ``decoder='simplejpeg'`` without the package.
    """

    def __init__(self, *args, decoder: str = 'auto', cache: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.ignore_empty:
            raise ValueError(
                'ignore_empty=True would replace images without a word; '
                'guards=dict(max_bad_samples=N) in the config replaces and counts them'
            )
        self.decoder = decoder
        self._is_fast = self._takes_simplejpeg()
        self.cache = None
        if cache is not None:
            if self.backend_args or self.file_client_args:
                raise ValueError('cache keeps files of this machine: leave out backend_args')
            settings = f'{self.color_type} {self.imdecode_backend}'
            self.cache = DecodedCache(**cache, kind='image', settings=settings)

    def transform(self, results: dict) -> dict:
        """Loads the image."""
        load = functools.partial(self._load, results['img_path'])
        image = self.cache.get(results['img_path'], load) if self.cache else load()
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _takes_simplejpeg(self) -> bool:
        if self.decoder not in DECODERS:
            raise ValueError(f'decoder={self.decoder!r} is none of {", ".join(DECODERS)}')
        can = self.imdecode_backend == 'cv2' and self.color_type in COLOURS
        if self.decoder == 'cv2' and self.imdecode_backend != 'cv2':
            raise ValueError(f"decoder='cv2' contradicts {self.imdecode_backend=!s}")
        if self.decoder == 'simplejpeg':
            if not can:
                raise ValueError(
                    "decoder='simplejpeg' works with imdecode_backend='cv2' and color_type "
                    f'{", ".join(COLOURS)}; got {self.imdecode_backend} and {self.color_type}'
                )
            if simplejpeg is None:
                raise ImportError("decoder='simplejpeg' needs the package: pip install simplejpeg")
        return can and self.decoder != 'cv2' and simplejpeg is not None

    def _load(self, path: str) -> np.ndarray:
        data = read_bytes(path, self._get)
        image = _decode_jpeg(data, self.color_type) if self._is_fast else None
        return (
            decode(path, data, self.color_type, self.imdecode_backend) if image is None else image
        )

    def _get(self, path: str) -> bytes:
        if self.file_client_args is not None:
            return fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        return fileio.get(path, backend_args=self.backend_args)

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, decoder={self.decoder!r}, cache={self.cache})'


def _decode_jpeg(data: bytes, color_type: str) -> np.ndarray | None:
    """Decodes a JPEG by simplejpeg; None if that may not be what OpenCV makes of the file."""
    if not (data.startswith(b'\xff\xd8') and data.endswith(b'\xff\xd9')):
        return None
    # EXIF is in such a segment; OpenCV looks for an orientation in any
    follows = 'ignore_orientation' not in color_type
    if follows and data.find(APP1, 0, data.find(START_OF_SCAN)) >= 0:
        return None
    try:
        if simplejpeg.decode_jpeg_header(data)[2] not in ('YCbCr', 'Gray'):
            return None
        image = simplejpeg.decode_jpeg(data, COLOURS[color_type])
    except ValueError:  # also of faults that OpenCV mends
        return None
    return image if image.shape[2] == 3 else image[..., 0]
