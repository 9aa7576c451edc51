import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from coco_trees import IDS, NAMES, box, run_lengths, write_coco, write_json
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare import coco_masks
from mmseg_ext.prepare.coco_annotations import CLASSES, COCO_NAMES, read_pictures
from mmseg_ext.prepare.coco_masks import Instance, draw_label
from mmseg_ext.prepare.coco_voc import check, convert
from mmseg_ext.prepare.palette import voc_palette

pytest.importorskip('pycocotools')
ROOT = Path(__file__).parents[2]
FILE = Path('instances.json')


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path / 'coco')


def draw(*instances, height=6, width=8):
    made = [Instance(number, *each) for number, each in enumerate(instances)]
    return draw_label(made, height, width, FILE)


def mask(rows, columns, height=6, width=8):
    found = np.zeros((height, width), np.uint8)
    found[rows, columns] = 1
    return found


def test_all_twenty_classes_have_a_name_in_coco():
    names = {COCO_NAMES.get(name, name) for name in CLASSES[1:]}
    assert len(names) == 20 and names <= set(NAMES) and set(COCO_NAMES) <= set(CLASSES)
    # the order of the category ids in torchvision's references, background first
    theirs = [5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]
    real = {'person': 1, 'bicycle': 2, 'car': 3, 'motorcycle': 4, 'airplane': 5, 'bus': 6,
            'train': 7, 'boat': 9, 'bird': 16, 'cat': 17, 'dog': 18, 'horse': 19, 'sheep': 20,
            'cow': 21, 'bottle': 44, 'chair': 62, 'couch': 63, 'potted plant': 64,
            'dining table': 67, 'tv': 72}  # fmt: skip
    assert [real[COCO_NAMES.get(name, name)] for name in CLASSES[1:]] == theirs


def test_a_drawn_example_by_hand():
    found = draw(
        (15, [box(0, 0, 4, 4)], False),
        (15, [box(2, 2, 5, 5)], False),  # the same class: no doubt
        (7, [box(4, 0, 8, 3)], False),  # beside the first, over a pixel of the second
        (7, [box(6, 4, 7, 5), box(7, 5, 8, 6)], False),  # two parts
    )
    assert found.tolist() == [
        [15, 15, 15, 15, 7, 7, 7, 7],
        [15, 15, 15, 15, 7, 7, 7, 7],
        [15, 15, 15, 15, 255, 7, 7, 7],
        [15, 15, 15, 15, 15, 0, 0, 0],
        [0, 0, 15, 15, 15, 0, 7, 0],
        [0, 0, 0, 0, 0, 0, 0, 7],
    ]


@pytest.mark.parametrize('order', [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_a_crowd_is_ignored_where_nothing_of_its_class_is_outlined(order):
    parts = [
        (15, run_lengths(mask(slice(0, 3), slice(0, 6))), True),
        (15, [box(0, 0, 2, 2)], False),
        (7, [box(4, 0, 8, 2)], False),
    ]
    assert draw(*(parts[index] for index in order)).tolist() == [
        [15, 15, 255, 255, 255, 255, 7, 7],
        [15, 15, 255, 255, 255, 255, 7, 7],
        [255, 255, 255, 255, 255, 255, 0, 0],
        *[[0] * 8] * 3,
    ]


def test_three_classes_on_a_pixel_stay_ignored():
    parts = [(label, [box(0, 0, 2, 2)], False) for label in (3, 4, 3, 5, 4)]
    assert draw(*parts)[:2, :2].tolist() == [[255, 255], [255, 255]]


def test_masks_are_those_of_pycocotools(tmp_path):
    random = np.random.default_rng(0)
    from pycocotools import mask as reference
    from pycocotools.coco import COCO

    shapes = []
    for number in range(30):
        if number % 3 == 0:
            shapes.append([random.uniform(0, 40, 2 * random.integers(3, 9)).tolist()])
        elif number % 3 == 1:
            shapes.append([random.uniform(-3, 45, 8).tolist() for _ in range(3)])
        elif number % 2:
            shapes.append(run_lengths(random.integers(0, 2, (30, 40), np.uint8)))
        else:
            code = reference.encode(np.asfortranarray(random.integers(0, 2, (30, 40), np.uint8)))
            shapes.append(dict(size=code['size'], counts=code['counts'].decode()))
    file = tmp_path / 'instances.json'
    write_json(file, [('a', 40, 30)], [('a', 'cat', shape, False) for shape in shapes])
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(file)
    (picture,) = read_pictures(file)
    assert len(picture.instances) == len(theirs.anns) == 30
    for each in picture.instances:
        ours = coco_masks.decode(each, 30, 40, file)
        assert 0 < ours.sum() < ours.size
        assert np.array_equal(ours, theirs.annToMask(theirs.anns[each.id]))


def test_without_overlap_and_crowds_labels_equal_torchvisions(tmp_path):
    """Its rule written out: the class of the one mask that covers a pixel."""
    cells = [box(8 * (n % 5), 6 * (n // 5), 8 * (n % 5) + 8, 6 * (n // 5) + 6) for n in range(25)]
    labels = np.random.default_rng(0).integers(1, 21, 25)
    parts = [(int(label), [cell], False) for label, cell in zip(labels, cells, strict=True)]
    masks = np.stack([
        coco_masks.decode(Instance(0, *part), 30, 40, FILE).astype(np.uint8) for part in parts
    ])  # fmt: skip
    theirs = (masks * labels[:, None, None]).max(0)
    assert masks.sum(0).max() == 1
    assert np.array_equal(draw(*parts, height=30, width=40), theirs)


def test_labels_and_lists_are_written(coco):
    out = coco / 'voc_classes'
    counts = convert(coco, out, 2, min_pixels=200)
    contents = json.loads((coco / 'annotations/instances_train2017.json').read_text())
    listed = (out / 'train.txt').read_text().split()
    assert listed == sorted(listed) and 0 < len(listed) < 9
    assert len((out / 'val.txt').read_text().split()) == 9
    assert counts == {'train': (len(listed), 9), 'val': (9, 9)}
    zebra = IDS['zebra']
    for image in contents['images']:
        name = Path(image['file_name']).stem
        picture = Image.open(out / f'train2017/{name}.png')
        label = np.asarray(picture)
        assert picture.mode == 'P' and label.shape == (40, 48)
        assert picture.getpalette() == voc_palette().ravel().tolist()
        kept = [a for a in contents['annotations'] if a['image_id'] == image['id']]
        kept = {a['category_id'] for a in kept} - {zebra}
        assert label.any() if kept else not label.any()
        assert (name in listed) == (((label > 0) & (label < 255)).sum() >= 200)


def test_every_name_gets_vocs_number(tmp_path):
    root = write_coco(tmp_path / 'coco', number=22)
    names = [f'{n:012}' for n in range(1, 23)]
    shapes = [(name, NAMES[n], [box(0, 0, 30, 40)], False) for n, name in enumerate(names)]
    file = root / 'annotations/instances_val2017.json'
    write_json(file, [(name, 48, 40) for name in names], shapes)
    convert(root, root / 'out', 1, ['val'])
    voc = PascalVOCDataset.METAINFO['classes']
    back = {COCO_NAMES.get(name, name): label for label, name in enumerate(voc)}
    for name, coco_name in zip(names, NAMES, strict=True):
        label = np.asarray(Image.open(root / f'out/val2017/{name}.png'))
        assert (label[:, :30] == back.get(coco_name, 0)).all() and not label[:, 30:].any()


def test_the_dataset_piece_reads_it(coco):
    counts = convert(coco, coco / 'voc_classes', 1, min_pixels=1)
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/coco_voc.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        for split, (number, _) in counts.items():
            node = dict(cfg[f'{split}_dataloader'].dataset, data_root=str(coco))
            dataset = DATASETS.build(node)
            sample = dataset[3]
            label = sample['data_samples'].gt_sem_seg.data
            assert len(dataset) == number and sample['inputs'].shape[0] == 3
            assert set(label.unique().tolist()) <= {*range(21), 255}
    assert cfg.test_dataloader.dataset.ann_file == 'voc_classes/val.txt'


def test_a_second_run_keeps_labels_and_mends_damaged_ones(coco):
    out = coco / 'voc_classes'
    first = convert(coco, out, 1, min_pixels=200)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob('*.png')}
    assert convert(coco, out, 1, min_pixels=200) == first
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.rglob('*.png')}
    torn, empty, gone = sorted(before)[1:4]
    torn.write_bytes(torn.read_bytes()[:-40])
    empty.write_bytes(b'')
    gone.unlink()
    assert convert(coco, out, 1, min_pixels=200) == first
    assert {p: p.read_bytes() for p in before} == {p: content for p, (content, _) in before.items()}


def test_check_names_every_fault(coco):
    out = coco / 'voc_classes'
    convert(coco, out, 1)
    assert check(coco, out, 2) == ([], 18)
    labels = sorted((out / 'train2017').iterdir())
    labels[0].unlink()
    labels[1].write_bytes(labels[1].read_bytes()[:-40])
    for file, value in ((labels[2], 20), (labels[3], 21)):
        picture = Image.open(file)
        changed = np.array(picture)
        changed[39, 47] = value
        Image.fromarray(changed).save(file)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(labels[4])
    shutil.copy(labels[5], out / 'train2017/stray.png')
    image = coco / 'train2017' / f'{labels[6].stem}.jpg'
    image.write_bytes(image.read_bytes()[:-100])
    turned = coco / 'train2017' / f'{labels[7].stem}.jpg'
    Image.new('RGB', (40, 48)).save(turned)
    (out / 'val.txt').write_text('000000000001\n')
    faults, number = check(coco, out, 1)
    said = '\n'.join(faults)
    assert number == 18 and len(faults) == 9, said
    for fault in (
        f'{labels[0]} is missing',
        f'{labels[1]} does not read',
        f'{labels[2]} differs from its annotations in 1 pixels',
        f'{labels[3]} holds label 21, outside 0 to 20 and 255',
        f'{labels[4]} has shape (4, 4), not (40, 48)',
        'stray.png: no image of COCO gives it',
        f'{image} does not read',
        f'{turned} has size (40, 48)',
        'val.txt lists 0 images too many and 8 too few, 000000000002 for one',
    ):
        assert fault in said, fault


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def set_shape(shape):
    return lambda content: content['annotations'][0].update(segmentation=shape)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (
            lambda c: c['categories'].pop(0),
            r"has no category 'person': it is no instances_\*\.json",
        ),
        (lambda c: c.pop('annotations'), r"holds no list 'annotations'"),
        (
            lambda c: c.update(annotations=[dict(id=1, image_id=10, caption='a')]),
            r'has annotations without masks: take instances_\*\.json',
        ),
        (lambda c: c['images'].pop(1), r'of image \d+, which the file does not list'),
        (set_shape([[1, 2, 3, 4]]), r'annotation 1 has a polygon of fewer than three points'),
        (set_shape([]), r'annotation 1 has a polygon of fewer than three points'),
        (
            set_shape(dict(size=[48, 40], counts=[0])),
            r'a mask of \[48, 40\], its image has \[40, 4',
        ),
        (set_shape(dict(size=[40, 48])), r'annotation 1 holds no mask that pycocotools reads'),
        (set_shape(dict(size=[40, 48], counts=5)), r'annotation 1 holds no mask'),
        (set_shape(dict(size=[40, 48], counts=[7, 7])), r'annotation 1 holds no mask'),
        (set_shape([['a', 'b', 'c', 'd', 'e', 'f']]), r'annotation 1 holds no mask'),
        (set_shape('mask'), r'annotation 1 has a polygon of fewer'),
        (set_shape(None), r'annotation 1 holds no mask'),
    ],
)
def test_bad_annotations_are_named(coco, damage, message):
    file = coco / 'annotations/instances_train2017.json'
    edit(file, lambda content: [a.update(category_id=1) for a in content['annotations']])
    edit(file, damage)
    with pytest.raises(UsageError, match=rf'instances_train2017\.json.*{message}'):
        convert(coco, coco / 'out', 1)
    assert not list(coco.rglob('.*'))


def test_missing_sources_are_named(coco, monkeypatch):
    file = coco / 'annotations/instances_val2017.json'
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    with pytest.raises(UsageError, match=r'instances_val2017\.json was cut off or is no JSON'):
        convert(coco, coco / 'out', 1, ['val'])
    file.unlink()
    with pytest.raises(UsageError, match=r'no .*val2017\.json; unpack annotations_trainval2017'):
        convert(coco, coco / 'out', 1, ['val'])
    (coco / 'train2017/000000000003.jpg').unlink()
    with pytest.raises(UsageError, match=r'lacks 1 of 9 images, 000000000003\.jpg for one'):
        convert(coco, coco / 'out', 1, ['train'])
    with pytest.raises(UsageError, match='holds the images; write the labels to another folder'):
        convert(coco, coco, 1)
    shutil.rmtree(coco / 'train2017')
    with pytest.raises(UsageError, match=r'no .*train2017; unpack train2017\.zip there'):
        convert(coco, coco / 'out', 1)
    monkeypatch.setattr(coco_masks, 'coco_mask', None)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[coco\]'"):
        convert(coco, coco / 'out', 1)
