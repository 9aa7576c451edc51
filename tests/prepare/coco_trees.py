"""Small trees in COCO's layout."""

import json

import numpy as np
from PIL import Image

NAMES = ['person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat',
         'bird', 'cat', 'dog', 'horse', 'sheep', 'cow', 'bottle', 'chair', 'couch', 'potted plant',
         'dining table', 'tv', 'zebra']  # fmt: skip
IDS = {name: 3 * number + 1 for number, name in enumerate(NAMES)}  # COCO's have gaps, too


def box(left, top, right, bottom):
    """A polygon that covers pixels left to right - 1 and top to bottom - 1."""
    return [float(v) for v in (left, top, right, top, right, bottom, left, bottom)]


def run_lengths(mask):
    """Uncompressed code of a mask: runs of 0, 1, 0 ... down the columns."""
    flat = np.asarray(mask).T.ravel()
    ends = [*np.flatnonzero(np.diff(flat, prepend=1 - flat[0])).tolist(), len(flat)]
    counts = np.diff(ends).tolist()
    return dict(size=list(np.shape(mask)), counts=counts if not flat[0] else [0, *counts])


def write_json(file, images, annotations):
    """Images are (name, width, height), annotations (image name, class, segmentation, crowd)."""
    numbers = {name: 10 * number for number, (name, _, _) in enumerate(images, 1)}
    content = dict(
        images=[
            dict(id=numbers[name], file_name=f'{name}.jpg', width=width, height=height)
            for name, width, height in images
        ],
        annotations=[
            dict(
                id=number,
                image_id=numbers[image],
                category_id=IDS[name],
                iscrowd=int(crowd),
                segmentation=segmentation,
            )
            for number, (image, name, segmentation, crowd) in enumerate(annotations, 1)
        ],
        categories=[dict(id=number, name=name) for name, number in IDS.items()],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return content


def write_coco(root, number=9, size=(48, 40), seed=0):
    """Random boxes of random classes, a crowd in every third image, nothing in every fourth."""
    random = np.random.default_rng(seed)
    width, height = size
    for split in ('train', 'val'):
        (root / f'{split}2017').mkdir(parents=True)
        images = [(f'{n:012}', width, height) for n in range(1, number + 1)]
        annotations = []
        for n, (name, _, _) in enumerate(images):
            colours = random.integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(colours).save(root / f'{split}2017/{name}.jpg')
            for _ in range(3 if n % 4 else 0):
                left, top = random.integers(0, width - 12), random.integers(0, height - 12)
                shape = [box(left, top, left + 12, top + 11)]
                annotations.append((name, NAMES[random.integers(len(NAMES))], shape, False))
            if n % 3 == 1:
                mask = np.zeros((height, width), np.uint8)
                mask[5:15, 4:30] = 1
                annotations.append((name, 'person', run_lengths(mask), True))
        # the list of images is in no order
        write_json(root / f'annotations/instances_{split}2017.json', images[::-1], annotations)
    return root
