"""COCO's ``instances_*.json``, reduced to VOC's classes."""

import contextlib
import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg.datasets import PascalVOCDataset

from mmseg_ext.engine.errors import UsageError

from .coco_masks import Instance

CLASSES = PascalVOCDataset.METAINFO['classes']
# COCO's names of VOC's classes, where they differ
COCO_NAMES = {
    'aeroplane': 'airplane',
    'diningtable': 'dining table',
    'motorbike': 'motorcycle',
    'pottedplant': 'potted plant',
    'sofa': 'couch',
    'tvmonitor': 'tv',
}
NEEDED = ('id', 'image_id', 'category_id', 'iscrowd', 'segmentation')  # of an annotation


@dataclass(frozen=True)
class Picture:
    """One image with its annotations of the 20 classes."""

    name: str
    height: int
    width: int
    instances: tuple[Instance, ...]


def read_pictures(file: Path) -> list[Picture]:
    """Reads the images of an annotation file, with what of VOC's classes is in them.

    Polygons are packed while the file is read, since as Python's numbers they would take several
    times its 450 MB.

    Raises:
        UsageError: There is none, it was cut off, or it holds no instances of COCO's classes.
    """
    content = _read(file)
    by_name = {each['name']: each['id'] for each in content['categories']}
    labels = {}
    for label, name in enumerate(CLASSES[1:], 1):
        coco_name = COCO_NAMES.get(name, name)
        if coco_name not in by_name:
            raise UsageError(
                f'{file} has no category {coco_name!r}: it is no instances_*.json of COCO'
            )
        labels[by_name[coco_name]] = label
    instances: dict[int, list[Instance]] = {each['id']: [] for each in content['images']}
    for each in content.pop('annotations'):
        label = labels.get(each['category_id'])
        if label is None:
            continue
        if each['image_id'] not in instances:
            raise UsageError(
                f'{file}: annotation {each["id"]} is of image {each["image_id"]}, which the file '
                'does not list'
            )
        instances[each['image_id']].append(
            Instance(each['id'], label, each['segmentation'], bool(each.get('iscrowd')))
        )
    return [
        Picture(
            Path(each['file_name']).stem,
            each['height'],
            each['width'],
            tuple(instances[each['id']]),
        )
        for each in sorted(content['images'], key=lambda image: image['file_name'])
    ]


def _pack(node: dict) -> dict:
    if 'segmentation' not in node:
        return node
    with contextlib.suppress(TypeError):  # run-length codes; what else it is, its image will tell
        node['segmentation'] = [array('d', polygon) for polygon in node['segmentation']]
    return {key: node[key] for key in NEEDED if key in node}


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UsageError(
            f'there is no {file}; unpack annotations_trainval2017.zip '
            '(http://images.cocodataset.org/annotations/annotations_trainval2017.zip, 241 MB)'
        )
    try:
        content = json.loads(file.read_bytes(), object_hook=_pack)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are such
        raise UsageError(f'{file} was cut off or is no JSON: {error}; unpack it again') from error
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UsageError(f'{file} holds no list {key!r}: it is no instances_*.json of COCO')
    annotations = content['annotations']
    if annotations and not {'segmentation', 'category_id'} <= annotations[0].keys():
        raise UsageError(f'{file} has annotations without masks: take instances_*.json')
    return content
