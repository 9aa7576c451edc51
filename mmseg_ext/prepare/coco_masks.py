"""Instance annotations of one COCO image as a label file of VOC's classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_ext.engine.errors import UsageError

try:
    from pycocotools import mask as coco_mask
except ImportError:  # an extra
    coco_mask = None

IGNORE = 255


@dataclass(frozen=True)
class Instance:
    """One annotation.

    Attributes:
        id: Its id in the JSON file.
        label: Class, 1 to 20.
        segmentation: Polygons, each x, y, x, y ..., or a run-length code, as a dict.
        is_crowd: Whether it outlines a group, coarsely.
    """

    id: int
    label: int
    segmentation: list | dict
    is_crowd: bool


def check_installed() -> None:
    """Raises ``UsageError`` if pycocotools is missing."""
    if coco_mask is None:
        raise UsageError("reading COCO's masks needs pycocotools: pip install -e '.[coco]'")


def draw_label(instances: Sequence[Instance], height: int, width: int, source: Path) -> np.ndarray:
    """Draws the class of each pixel; what the annotations leave open becomes 255.

    A pixel has a class if an object of it is outlined there and nothing of another of the 20
    classes is. 255 are pixels of two classes, because the annotations do not say which is in front,
    and pixels of a crowd in which no object is outlined, because its outline takes in background.
    All else is 0.

    torchvision's references/segmentation/coco_utils.py, with which its COCO weights of VOC's
    classes were made, discards more and less: overlaps of one class as well, where the class is
    not in doubt, and it fills a crowd with its class.

    Args:
        instances: Annotations of the image, of the 20 classes.
        height: Of the image.
        width: Of the image.
        source: The JSON file, for messages.

    Returns:
        (height, width), uint8.

    Raises:
        UsageError: A mask is malformed, or of another size.
    """
    # masks come column by column: mixed with rows, what follows takes twice the time
    label = np.zeros((height, width), np.uint8, order='F')
    outlined = np.zeros((height, width), bool, order='F')
    for each in instances:
        mask = decode(each, height, width, source)
        label[mask & (label != 0) & (label != each.label)] = IGNORE
        label[mask & (label == 0)] = each.label
        if not each.is_crowd:
            outlined |= mask
    label[(label != 0) & ~outlined] = IGNORE
    return label


def decode(instance: Instance, height: int, width: int, source: Path) -> np.ndarray:
    """Turns an annotation into a mask, (height, width), bool."""
    shape = instance.segmentation
    where = f'{source}: annotation {instance.id}'
    try:
        if isinstance(shape, dict):
            if list(shape['size']) != [height, width]:
                raise UsageError(
                    f'{where} is a mask of {shape["size"]}, its image has {[height, width]}'
                )
            codes = shape
            if isinstance(shape['counts'], list):
                if sum(shape['counts']) != height * width:
                    raise ValueError(f'its runs cover {sum(shape["counts"])} pixels')
                codes = coco_mask.frPyObjects(shape, height, width)
        else:
            polygons = [list(polygon) for polygon in shape]
            # pycocotools takes four numbers for a box
            if not polygons or any(len(each) < 6 or len(each) % 2 for each in polygons):
                raise UsageError(f'{where} has a polygon of fewer than three points')
            codes = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
        return coco_mask.decode(codes).astype(bool)
    # how pycocotools fails on what is no mask
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f'{where} holds no mask that pycocotools reads: {error}') from error
