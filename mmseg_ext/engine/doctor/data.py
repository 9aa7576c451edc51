"""Which data sets are where the configs look for them."""

from pathlib import Path
from typing import NamedTuple

from .row import Row


class DataSet(NamedTuple):
    """A data set as a file of ``configs/_base_/datasets`` names it: its root, and parts of that."""

    name: str
    root: str
    parts: tuple[str, ...]
    mend: str


VOC_PARTS = (
    'JPEGImages',
    'SegmentationClass',
    'ImageSets/Segmentation/train.txt',
    'ImageSets/Segmentation/val.txt',
)
README = 'README.md, "Data", says where it comes from'
DOWNLOAD = 'python tools/dataset_converters/download.py'
DATA_SETS = (
    DataSet(
        'demo',
        'data/demo/VOCdevkit/VOC2012',
        VOC_PARTS,
        'python tools/dataset_converters/demo.py',
    ),
    DataSet('VOC 2012', 'data/VOCdevkit/VOC2012', VOC_PARTS, f'{DOWNLOAD} voc'),
    DataSet(
        'VOC aug',
        'data/VOCdevkit/VOC2012',
        (*VOC_PARTS, 'SegmentationClassAug', 'ImageSets/Segmentation/aug.txt'),
        f'{DOWNLOAD} voc sbd',
    ),
    DataSet(
        'ADE20K',
        'data/ade/ADEChallengeData2016',
        (
            'images/training',
            'annotations/training',
            'images/validation',
            'annotations/validation',
        ),
        f'{DOWNLOAD} ade20k',
    ),
    DataSet(
        'COCO as VOC',
        'data/coco',
        (
            'train2017',
            'val2017',
            'voc_classes/train.txt',
            'voc_classes/val.txt',
            'voc_classes/train2017',
            'voc_classes/val2017',
        ),
        'python tools/dataset_converters/coco_voc.py data/coco',
    ),
    DataSet(
        'CamVid',
        'data/camvid',
        ('images/train', 'annotations/train', 'images/val', 'annotations/val'),
        README,
    ),
)


def data_row(root: Path, data_set: DataSet) -> Row:
    """Whether a data set is where the configs look for it."""
    folder = Path(data_set.root)
    for place in (folder, *(folder / part for part in data_set.parts)):
        if not (root / place).exists():
            return Row(data_set.name, f'no {place}', 'info', data_set.mend)
    return Row(data_set.name, str(folder), 'ok')
