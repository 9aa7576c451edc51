"""Small stand-ins for what the leaves read: trees of data, and files of weights."""

import shutil

import mmseg
import numpy as np
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from PIL import Image

IMAGES = 2  # in each list
# of each data set its lists or folders: (images, masks, list or None, split of the demo)
VOC = [
    ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/train.txt', 'train'),
    ('JPEGImages', 'SegmentationClassAug', 'ImageSets/Segmentation/aug.txt', 'aug'),
    ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/val.txt', 'val'),
]
TREES = {
    'data/VOCdevkit/VOC2012': VOC,
    'data/demo/VOCdevkit/VOC2012': VOC,
    'data/coco': [
        ('train2017', 'voc_classes/train2017', 'voc_classes/train.txt', 'train'),
        ('val2017', 'voc_classes/val2017', 'voc_classes/val.txt', 'val'),
    ],
    'data/ade/ADEChallengeData2016': [
        ('images/training', 'annotations/training', None, 'train'),
        ('images/validation', 'annotations/validation', None, 'val'),
    ],
    'data/camvid': [
        ('images/train', 'annotations/train', None, 'train'),
        ('images/val', 'annotations/val', None, 'val'),
    ],
}
NUM_CLASSES = {'data/camvid': 11}  # where there are fewer than the demo has


class StandIns:
    """Writes data and weights in the form that the leaves expect, each once.

    Args:
        folder: Takes them.
        demo_root: The demo tree, whose images are copied.
    """

    def __init__(self, folder, demo_root):
        self.folder, self.demo_root, self.files = folder, demo_root, {}

    def tree(self, root):
        """Writes a few of the demo's images in the layout of a data set; returns where.

        Raises:
            ValueError: There is no layout for this ``data_root``.
        """
        if root not in TREES:
            raise ValueError(f'there is no small tree for {root}: add it to TREES')
        out = self.folder / root
        if not out.exists():
            for images, masks, listed, split in TREES[root]:
                names = self._copy(split, out / images, out / masks, NUM_CLASSES.get(root))
                if listed:
                    (out / listed).parent.mkdir(parents=True, exist_ok=True)
                    (out / listed).write_text('\n'.join(names))
        return str(out)

    def weights(self, source, backbone):
        """Writes a file with the tensors that the named one has, drawn anew; returns where."""
        build = {k: v for k, v in backbone.to_dict().items() if k not in ('init_cfg', 'pretrained')}
        if source.startswith('torchvision://'):
            build['type'] = 'ResNet'  # the only one whose names are torchvision's
        key = repr(build)
        if key not in self.files:
            file = self.folder / f'weights/{len(self.files)}.pth'
            file.parent.mkdir(exist_ok=True)
            init_default_scope('mmseg')
            network = revert_sync_batchnorm(mmseg.registry.MODELS.build(build))
            weights = network.state_dict()
            if 'ResNet' in build['type']:
                # the classifier that such files have
                weights |= {'fc.weight': torch.zeros(1000, 2048), 'fc.bias': torch.zeros(1000)}
            torch.save(dict(meta={}, state_dict=weights), file)
            self.files[key] = str(file)
        return self.files[key]

    def _copy(self, split, images, masks, num_classes):
        voc = self.demo_root / 'VOCdevkit/VOC2012'
        names = (voc / f'ImageSets/Segmentation/{split.replace("aug", "train")}.txt').read_text()
        start = IMAGES * (split == 'aug')  # train's next ones stand for those of SBD
        names = names.split()[start : start + IMAGES]
        for folder in (images, masks):
            folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(voc / f'JPEGImages/{name}.jpg', images)
            mask = np.array(Image.open(voc / f'SegmentationClass/{name}.png'))
            if num_classes:
                mask[mask != 255] %= num_classes
            Image.fromarray(mask).save(masks / f'{name}.png')
        return names
