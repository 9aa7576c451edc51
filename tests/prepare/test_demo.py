import hashlib
import json
import shutil

import numpy as np
import pytest
from mmseg.datasets import PascalVOCDataset
from mmseg.utils import register_all_modules
from PIL import Image
from scipy.io import loadmat
from scipy.ndimage import maximum_filter, minimum_filter

from mmseg_ext.prepare.demo import MARKER, write_demo
from mmseg_ext.prepare.demo_objects import OBJECTS
from mmseg_ext.prepare.demo_scene import draw_scene
from mmseg_ext.prepare.palette import voc_palette

SETTINGS = dict(num_train=40, num_aug=6, num_val=20, seed=3)


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    out = tmp_path_factory.mktemp('demo') / 'tree'
    assert write_demo(out, **SETTINGS)
    return out


@pytest.fixture(scope='module')
def voc(tree):
    return tree / 'VOCdevkit/VOC2012'


@pytest.fixture(scope='module')
def sbd(tree):
    return tree / 'benchmark_RELEASE/dataset'


def names(path):
    return path.read_text().split()


def voc_names(voc, split):
    return names(voc / f'ImageSets/Segmentation/{split}.txt')


def read_mask(voc, name):
    return np.array(Image.open(voc / 'SegmentationClass' / f'{name}.png'))


def digests(root):
    files = (path for path in root.rglob('*') if path.is_file())
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_same_settings_same_bytes(tree, tmp_path):
    write_demo(tmp_path / 'again', **SETTINGS)
    assert digests(tmp_path / 'again') == digests(tree)


def test_a_larger_split_keeps_the_other_pictures_and_a_seed_changes_them(tree, tmp_path):
    write_demo(tmp_path / 'more', **{**SETTINGS, 'num_train': 43})
    write_demo(tmp_path / 'other', **{**SETTINGS, 'seed': 4})
    pictures = {k: v for k, v in digests(tree).items() if k.endswith(('.jpg', '.png'))}
    assert pictures.items() <= digests(tmp_path / 'more').items()
    assert not pictures.items() & digests(tmp_path / 'other').items()


def test_lists_name_every_file_once(voc, sbd):
    train, val = voc_names(voc, 'train'), voc_names(voc, 'val')
    assert (len(train), len(val)) == (SETTINGS['num_train'], SETTINGS['num_val'])
    assert voc_names(voc, 'trainval') == sorted(train + val)
    assert {p.stem for p in (voc / 'SegmentationClass').iterdir()} == set(train) | set(val)
    assert not set(train) & set(val)
    sbd_train, sbd_val = names(sbd / 'train.txt'), names(sbd / 'val.txt')
    annotated = [p.stem for p in (sbd / 'cls').iterdir()]
    assert sorted(sbd_train + sbd_val) == sorted(annotated)
    assert sorted(p.stem for p in (sbd / 'img').iterdir()) == sorted(annotated)
    pictures = {p.stem for p in (voc / 'JPEGImages').iterdir()}
    assert pictures == set(train) | set(val) | set(annotated)


def test_sbd_overlaps_both_lists_of_voc_and_adds_its_own(voc, sbd):
    train, val = set(voc_names(voc, 'train')), set(voc_names(voc, 'val'))
    for split in ('train', 'val'):
        assert set(names(sbd / f'{split}.txt')) & train
        assert set(names(sbd / f'{split}.txt')) & val
    both = set(names(sbd / 'train.txt') + names(sbd / 'val.txt'))
    assert len(both - train - val) == SETTINGS['num_aug']


def test_the_stock_dataset_reads_it(voc):
    register_all_modules()
    dataset = PascalVOCDataset(
        data_root=str(voc),
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
    )
    assert len(dataset) == SETTINGS['num_val']
    assert dataset[0]['img'].shape[:2] == dataset[0]['gt_seg_map'].shape
    # the index of a silhouette is the index of its class in MMSegmentation
    assert ('background', *OBJECTS) == dataset.metainfo['classes']
    assert voc_palette()[:21].tolist() == dataset.metainfo['palette']


@pytest.mark.parametrize('split', ['train', 'val'])
def test_every_class_occurs_often_enough(voc, split):
    pixels, images = np.zeros(256, int), np.zeros(256, int)
    for name in voc_names(voc, split):
        count = np.bincount(read_mask(voc, name).ravel(), minlength=256)
        pixels, images = pixels + count, images + (count > 0)
    assert set(np.flatnonzero(pixels)) == {*range(21), 255}
    assert images[1:21].min() >= len(voc_names(voc, split)) // 20
    assert 0.4 < pixels[0] / pixels.sum() < 0.8
    assert pixels[1:21].max() < 8 * pixels[1:21].min()


def test_masks_carry_the_voc_palette_and_the_size_of_the_picture(voc):
    for name in voc_names(voc, 'val'):
        image = Image.open(voc / 'SegmentationClass' / f'{name}.png')
        assert image.mode == 'P'
        assert image.getpalette() == voc_palette().ravel().tolist()
        assert image.size == Image.open(voc / 'JPEGImages' / f'{name}.jpg').size


def test_void_is_a_thin_line_along_every_change_of_class():
    for seed in range(10):
        _, label, border = draw_scene(seed + 1, np.random.default_rng(seed))
        change = maximum_filter(label, 3) != minimum_filter(label, 3)
        assert border[change].all()
        # what is left also parts two objects of one class; it is nowhere wider than a line
        assert minimum_filter(border, 7).sum() == 0
        assert border.mean() < 0.2


def test_colours_of_void_borders():
    assert voc_palette()[[0, 1, 15, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [192, 128, 128],
        [224, 224, 192],
    ]


def test_sizes_vary_in_both_directions(voc):
    sizes = [Image.open(path).size for path in (voc / 'JPEGImages').iterdir()]
    assert len(set(sizes)) > 20
    assert any(w > h for w, h in sizes) and any(w < h for w, h in sizes)
    assert all(96 <= side <= 160 for size in sizes for side in size)


def test_sbd_masks_are_what_the_converter_expects(voc, sbd):
    for path in (sbd / 'cls').iterdir():
        data = loadmat(path)
        mask = data['GTcls'][0]['Segmentation'][0].astype(np.uint8)
        width, height = Image.open(voc / 'JPEGImages' / f'{path.stem}.jpg').size
        assert mask.shape == (height, width)
        assert mask.max() <= 20
        present = data['GTcls'][0]['CategoriesPresent'][0].ravel()
        assert present.tolist() == sorted(set(mask.ravel().tolist()) - {0})
        boundaries = data['GTcls'][0]['Boundaries'][0]
        assert boundaries.shape == (20, 1)
        assert [i + 1 for i in range(20) if boundaries[i, 0].nnz] == present.tolist()
        if (voc / 'SegmentationClass' / f'{path.stem}.png').exists():
            voc_mask = read_mask(voc, path.stem)
            assert (mask == voc_mask)[voc_mask != 255].all()


def test_colour_tells_classes_little():
    """The spread of an object's mean colour within a class dwarfs that between the classes."""
    means = np.empty((20, 12, 3))
    for index in range(20):
        for i in range(12):
            image, label, _ = draw_scene(index + 1, np.random.default_rng([index, i]))
            means[index, i] = image[label == index + 1].mean(0)
    assert (means.mean(1).std(0) < 0.5 * means.std(1).mean(0)).all()


def test_a_second_call_leaves_the_tree_alone(tree):
    before = {path: path.stat().st_mtime_ns for path in tree.rglob('*')}
    assert not write_demo(tree, **SETTINGS)
    assert {path: path.stat().st_mtime_ns for path in tree.rglob('*')} == before


def test_other_settings_need_force(tree, tmp_path):
    out = shutil.copytree(tree, tmp_path / 'tree')
    smaller = dict(num_train=20, num_aug=2, num_val=20, seed=3)
    with pytest.raises(FileExistsError, match='made with num_train=40, num_aug=6; --force'):
        write_demo(out, **smaller)
    assert write_demo(out, **smaller, force=True)
    assert json.loads((out / MARKER).read_text()).items() >= smaller.items()
    assert len(voc_names(out / 'VOCdevkit/VOC2012', 'train')) == 20
    assert [path.name for path in tmp_path.iterdir()] == ['tree']


def test_a_damaged_tree_is_named(tree, tmp_path):
    out = shutil.copytree(tree, tmp_path / 'tree')
    next((out / 'VOCdevkit/VOC2012/JPEGImages').iterdir()).unlink()
    with pytest.raises(FileExistsError, match=r'holds \d+ of \d+ files; --force'):
        write_demo(out, **SETTINGS)


def test_a_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(FileExistsError, match='no demo tree'):
        write_demo(tmp_path, force=True)
    assert (tmp_path / 'thesis.tex').exists()


def test_an_interrupted_call_leaves_nothing_behind(tmp_path):
    def interrupt(jobs):
        yield jobs[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / 'tree', progress=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('setting', 'value'), [('num_train', 19), ('num_aug', 0), ('num_val', 0), ('seed', -1)]
)
def test_names_the_setting_that_is_wrong(tmp_path, setting, value):
    with pytest.raises(ValueError, match=f'{setting}={value}'):
        write_demo(tmp_path / 'tree', **{setting: value})
    assert not list(tmp_path.iterdir())
