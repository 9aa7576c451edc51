"""One look at one file: does it decode to its end, and what is in it."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image, UnidentifiedImageError

from mmseg_ext.transforms import LoadAnnotations as OurLoadAnnotations

ORIENTATION = 0x0112  # EXIF: how a viewer is to turn the picture
THUMBNAIL = 16
# modes of PIL that are one byte a pixel: grey, index into a palette, black and white
ONE_BYTE = ('L', 'P', '1')
# they take such a file as it is; a user's own subclass may make labels of others
PLAIN = (LoadAnnotations, OurLoadAnnotations)


@dataclass(frozen=True)
class ImageJob:
    """An image to look at.

    Attributes:
        path: The file.
        load: The pipeline's transform that loads it; None where PIL is to judge alone.
        pixels: Whether to sum the decoded pixels too.
    """

    path: str
    load: Callable[[dict], dict] | None
    pixels: bool


@dataclass(frozen=True)
class MaskJob:
    """A mask to look at.

    Attributes:
        info: What the dataset says about the sample; ``load`` needs it.
        load: The pipeline's transform that loads labels.
    """

    info: dict
    load: Callable[[dict], dict]


@dataclass
class Look:
    """What is in a file.

    Attributes:
        problem: Why it cannot be used; empty if it can.
        size: Width and height, as the pipeline loads it.
        mode: PIL's name for the kind of pixel.
        format: PIL's name for the file format.
        digest: SHA-256 of the bytes.
        pixels: The same of the decoded pixels, if asked for.
        thumbnail: 16x16 grey values, to tell whether two pictures show the same.
        orientation: EXIF orientation that the pipeline follows; 1 is upright.
        raw: Pixels of each value in the file; empty where it is not one byte a pixel.
        labels: Pixels of each label that the pipeline makes of it.
    """

    problem: str = ''
    size: tuple[int, int] | None = None
    mode: str = ''
    format: str = ''
    digest: str = ''
    pixels: str = ''
    thumbnail: bytes = b''
    orientation: int = 1
    raw: dict[int, int] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)


def look_at(job: ImageJob | MaskJob) -> Look:
    """Reads a file once and decodes all of it.

    PIL decodes: OpenCV fills what is missing of a truncated JPEG with grey and goes on.
    """
    look = Look()
    try:
        if isinstance(job, ImageJob):
            _look_at_image(job, look)
        else:
            _look_at_mask(job, look)
    # decoders raise nearly anything on a damaged file; whatever it is, the report names the file
    except Exception as error:
        look.problem = str(error) or type(error).__name__
    return look


def similar(one: bytes, other: bytes) -> bool:
    """Whether two thumbnails show the same picture, recompressed perhaps: 3 grey levels apart.

    Less where there is little contrast, in microscopy or at night: two different pictures of noise
    are apart by 1.1 times its deviation, the same one saved as JPEG by a third.
    """
    contrast = _grey(one).std()
    return bool(np.abs(_grey(one) - _grey(other)).mean() < min(3, contrast / 2))


def is_plain(thumbnail: bytes) -> bool:
    """Whether a picture is of one colour, as empty tiles of aerial images are."""
    return np.ptp(_grey(thumbnail)) == 0


def _look_at_image(job: ImageJob, look: Look) -> None:
    data = Path(job.path).read_bytes()
    look.digest = hashlib.sha256(data).hexdigest()
    if job.load is None or isinstance(job.load, LoadImageFromFile):
        try:
            image = _decode(data, look)
        except UnidentifiedImageError:
            # empty, no image, or a format that the pipeline's decoder knows and PIL does not
            if job.load is None or not data:
                raise UnidentifiedImageError(
                    'it is no image' if data else 'the file is empty'
                ) from None
            image = None
        if image is not None:
            look.size = image.size
            follows = 'ignore_orientation' not in getattr(job.load, 'color_type', 'color')
            if follows and look.format == 'JPEG':
                look.orientation = image.getexif().get(ORIENTATION, 1)
            if look.orientation >= 5:  # turned by a quarter
                look.size = look.size[::-1]
            small = image.convert('L').resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
            look.thumbnail = small.tobytes()
            if job.pixels:
                rgb = image.convert('RGB')
                named = f'{rgb.size}'.encode() + rgb.tobytes()
                look.pixels = hashlib.sha256(named).hexdigest()
            if look.format in ('JPEG', 'PNG'):
                return
    loaded = job.load(dict(img_path=job.path))['img']
    look.size = (loaded.shape[1], loaded.shape[0])


def _look_at_mask(job: MaskJob, look: Look) -> None:
    data = Path(job.info['seg_map_path']).read_bytes()
    look.digest = hashlib.sha256(data).hexdigest()
    if isinstance(job.load, LoadAnnotations):
        try:
            image = _decode(data, look)
        except UnidentifiedImageError:
            if type(job.load) in PLAIN:
                raise UnidentifiedImageError(
                    'it is no image' if data else 'the file is empty'
                ) from None
        else:
            look.size = image.size
            if look.mode in ONE_BYTE:
                look.raw = _histogram(np.asarray(image, np.uint8))
            elif type(job.load) in PLAIN:
                return  # 'mode' says what is wrong; its labels would be nonsense
    label = job.load(dict(job.info, seg_fields=[]))['gt_seg_map']
    if label.ndim != 2:
        raise ValueError(f'{type(job.load).__name__} makes it {label.ndim}-dimensional, not (H, W)')
    look.size = (label.shape[1], label.shape[0])
    look.labels = _histogram(label)


def _decode(data: bytes, look: Look) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    look.format, look.mode = image.format or '', image.mode
    image.load()
    return image


def _histogram(values: np.ndarray) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True) if values.dtype != np.uint8 else (
        np.arange(256), np.bincount(values.ravel(), minlength=256)
    )  # fmt: skip
    return {int(v): int(n) for v, n in zip(found, counts, strict=True) if n}


def _grey(thumbnail: bytes) -> np.ndarray:
    return np.frombuffer(thumbnail, np.uint8).astype(np.int16)
