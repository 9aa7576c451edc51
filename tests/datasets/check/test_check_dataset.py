import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.datasets import PascalVOCDataset
from PIL import Image
from rich.console import Console

from mmseg_ext.datasets.check.check import check_config
from mmseg_ext.datasets.check.files import ImageJob, look_at, similar
from mmseg_ext.datasets.check.findings import FAULT, NOTE, WARNING
from mmseg_ext.datasets.check.plot import plot_shares
from mmseg_ext.datasets.check.report import print_report
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import write_json


class Tree:
    """A copy of the demo that a test may spoil, and the config that reads it."""

    def __init__(self, source, root, config):
        shutil.copytree(source, root)
        self.root = root
        self.cfg = Config.fromfile(config)
        for split in ('train', 'val', 'test'):
            self.cfg[f'{split}_dataloader'].dataset.data_root = str(root)
        complete_config(self.cfg)

    def list(self, split):
        return self.root / f'ImageSets/Segmentation/{split}.txt'

    def names(self, split):
        return self.list(split).read_text().split()

    def image(self, name):
        return self.root / f'JPEGImages/{name}.jpg'

    def mask(self, name):
        return self.root / f'SegmentationClass/{name}.png'

    def change_labels(self, change, splits=('train', 'val')):
        for split in splits:
            for name in self.names(split):
                label = np.array(Image.open(self.mask(name)))
                Image.fromarray(change(label).astype(np.uint8)).save(self.mask(name))

    def set(self, **settings):
        for split in ('train', 'val', 'test'):
            self.cfg[f'{split}_dataloader'].dataset.update(settings)

    def check(self, **settings):
        init_default_scope('mmseg')
        return check_config(self.cfg, **{'num_processes': 1, **settings})


@pytest.fixture(scope='module')
def make_tree(voc_root, tiny_config, tmp_path_factory):
    return lambda: Tree(voc_root, tmp_path_factory.mktemp('tree') / 'VOC2012', tiny_config)


@pytest.fixture
def tree(make_tree):
    return make_tree()


def kinds(report, *severities):
    severities = severities or (FAULT, WARNING)
    return {each.kind for each in report.findings if each.severity in severities}


def find(report, kind, where=''):
    (found,) = (e for e in report.findings if e.kind == kind and where in e.where)
    return found


def cut(file, share):
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])


@pytest.fixture(scope='module')
def planted(make_tree):
    """A tree with a fault of each kind that concerns single files; what was planted where."""
    tree = make_tree()
    train, val = tree.names('train'), tree.names('val')
    at = {}
    at['cut mask'] = tree.mask(train[0])
    cut(at['cut mask'], 0.6)
    at['cut image'] = tree.image(train[1])
    cut(at['cut image'], 0.5)
    assert cv2.imread(str(at['cut image'])) is not None, 'the loader goes on: that is the danger'
    at['colours'] = tree.mask(train[2])
    Image.open(at['colours']).convert('RGB').save(at['colours'])
    at['16 bit'] = tree.mask(train[3])
    Image.fromarray(np.array(Image.open(at['16 bit'])).astype(np.uint16)).save(at['16 bit'])
    at['no mask'] = tree.mask(train[4])
    at['no mask'].unlink()
    at['no image'] = tree.image(train[5])
    at['no image'].rename(at['no image'].with_suffix('.JPG'))
    at['size'] = tree.image(train[6])
    image = Image.open(at['size'])
    image.resize((image.width + 1, image.height)).save(at['size'])
    at['value'] = tree.mask(train[7])
    label = np.array(Image.open(at['value']))
    label[:2, :3] = 77
    Image.fromarray(label).save(at['value'])
    at['empty'] = tree.image(train[8])
    at['empty'].write_bytes(b'')
    at['text'] = tree.mask(train[9])
    at['text'].write_text('<html>404</html>')
    at['jpeg'] = tree.mask(train[10])
    Image.open(at['jpeg']).convert('L').save(at['jpeg'], 'JPEG', quality=100)
    at['turned'] = tree.image(train[11])
    image = Image.open(at['turned'])
    image.getexif()[0x0112] = 3
    image.save(at['turned'], exif=image.getexif())
    at['twice'] = tree.image(train[12])
    at['leak'] = tree.image(val[0])
    at['copy'], at['copied'] = tree.image('2030_000001'), tree.image(val[1])
    shutil.copy(at['copied'], at['copy'])
    shutil.copy(tree.mask(val[1]), tree.mask('2030_000001'))
    at['again'], at['original'] = tree.image('2030_000002'), tree.image(train[13])
    shutil.copy(at['original'], at['again'])
    shutil.copy(tree.mask(train[14]), tree.mask('2030_000002'))
    with Image.open(at['again']) as image:  # the mask of another image
        other = Image.open(tree.mask(train[14])).resize(image.size, Image.Resampling.NEAREST)
        other.save(tree.mask('2030_000002'))
    listed = [*train, train[12], val[0], '2030_000001', '2030_000002']
    tree.list('train').write_text('\n'.join(listed))
    return tree.check(), at, tree


@pytest.mark.parametrize(
    'kind, which, said',
    [
        ('damaged-mask', ['cut mask', 'text'], 'fetch or convert again'),
        ('damaged-image', ['cut image', 'empty'], 'fetch or convert again'),
        ('missing-mask', ['no mask'], '1 mask missing of'),
        ('missing-image', ['no image'], "there is .*JPG: set img_suffix='.JPG'"),
        ('mask-lossy', ['jpeg'], 'as JPEG'),
        ('size-mismatch', ['size'], 'another size than the mask'),
        ('exif-orientation', ['turned'], 'EXIF'),
        ('listed-twice', ['twice'], 'train.txt lists 1 image more than once'),
        ('leak-by-name', ['leak'], '1 image of val is in train too'),
        ('leak-by-content', ['copied'], 'a copy of one in train'),
    ],
)
def test_a_planted_fault_is_found_and_its_file_named(planted, kind, which, said):
    report, at, _ = planted
    found = find(report, kind)
    assert found.severity == (WARNING if kind == 'exif-orientation' else FAULT)
    assert len(found.items) == len(which)
    for name in which:
        assert any(item.startswith(str(at[name])) for item in found.items), found
    assert re.search(said, found.message), found.message


def test_masks_that_are_not_one_byte_a_pixel_are_named_with_the_way_out(planted):
    report, at, _ = planted
    found = {tuple(e.items): e.message for e in report.findings if e.kind == 'mask-mode'}
    assert 'index of its colour' in found[(str(at['colours']),)]
    assert '8 bit' in found[(str(at['16 bit']),)]


def test_a_value_outside_the_classes_is_named_with_its_count(planted):
    report, at, _ = planted
    outside = find(report, 'label-outside')
    assert f'{at["value"]}: label 77, 6 pixels' in outside.items


def test_copies_within_a_split_whose_masks_contradict_each_other_are_named(planted):
    report, at, _ = planted
    found = find(report, 'copies', 'train')
    assert found.severity == WARNING and 'in 1 the masks differ' in found.message
    assert found.items == [f'{at["original"]} = {at["again"]} (their masks differ)']


def test_nothing_else_is_found(planted):
    report, _, _ = planted
    assert kinds(report) == {
        'damaged-mask', 'damaged-image', 'missing-mask', 'missing-image', 'mask-mode',
        'mask-lossy', 'size-mismatch', 'exif-orientation', 'listed-twice', 'leak-by-name',
        'leak-by-content', 'label-outside', 'copies',
    }  # fmt: skip


def test_processes_find_the_same(planted):
    report, _, tree = planted
    assert tree.check(num_processes=2).as_dict() == report.as_dict()


def test_the_report_fits_80_columns_and_the_json_holds_everything(planted, tmp_path):
    report, at, _ = planted
    console = Console(width=80, record=True, file=(tmp_path / 'log').open('w'))
    print_report(report, console)
    text = console.export_text()
    lines = text.splitlines()
    assert all(len(line) <= 80 or str(at['value'].parents[1]) in line for line in lines)
    assert f'    {at["no mask"]}' in lines, 'a path is in one piece'
    assert lines[-1].endswith(f'{report.number(FAULT)} faults, {report.number(WARNING)} warnings')
    write_json(tmp_path / 'report.json', report.as_dict())
    read = json.loads((tmp_path / 'report.json').read_text())
    assert len(read['findings']) == len(report.findings)
    assert read['splits']['val']['classes'][20]['name'] == 'tvmonitor'
    plot_shares(tmp_path / 'p.png', {s: x.histogram for s, x in report.summaries.items()})
    assert Image.open(tmp_path / 'p.png').width > 400


def test_the_demo_passes_and_is_counted_right(tree):
    report = tree.check()
    assert kinds(report) == set()
    assert kinds(report, NOTE) == {'unlisted-image'}, 'SBD has images of its own'
    assert len(find(report, 'unlisted-image').items) == 8
    assert list(report.summaries) == ['train', 'val'], 'the test set is the val set'
    labels = [np.array(Image.open(tree.mask(name))) for name in tree.names('val')]
    expected = sum(np.bincount(label.ravel(), minlength=256) for label in labels)
    histogram = report.summaries['val'].histogram
    assert histogram.pixels.tolist() == expected[:21].tolist()
    assert histogram.ignored == expected[255] and histogram.outside == 0
    assert histogram.images.tolist() == [sum((n == x).any() for x in labels) for n in range(21)]
    widths = [label.shape[1] for label in labels]
    assert report.summaries['val'].sizes.widths[::2] == (min(widths), max(widths))


def test_labels_one_too_high(tree):
    tree.change_labels(lambda label: np.where(label == 255, 255, label + 1))
    found = find(tree.check(), 'label-meaning', 'train')
    assert found.severity == FAULT
    assert 'hold 1 to 21 for 21 classes, one too high: set reduce_zero_label=T' in found.message
    tree.set(reduce_zero_label=True)
    assert kinds(tree.check()) == set(), 'the way out leads out'


def test_labels_one_too_low(tree):
    # in uint8, 0 becomes 255: ignored, as reduce_zero_label would make it
    tree.change_labels(lambda label: np.where(label == 255, 255, label - 1))
    report = tree.check()
    found = find(report, 'label-meaning', 'train')
    assert found.severity == WARNING and 'as if 1 had been subtracted' in found.message
    assert find(report, 'class-absent', 'train').items == ['20 tvmonitor']


def test_reduce_zero_label_where_zero_is_a_class(tree):
    tree.set(reduce_zero_label=True)
    report = tree.check()
    for split in ('train', 'val'):
        found = find(report, 'label-meaning', split)
        assert found.severity == FAULT
        assert 'set reduce_zero_label=False' in found.message and '0 (6' in found.message
    assert {'class-absent', 'much-ignored'} <= kinds(report, WARNING)


def test_no_reduce_zero_label_where_zero_is_no_class(tree):
    """As ADE20K: 0 for the rest, 1 to N."""
    names = PascalVOCDataset.METAINFO['classes'][1:]
    tree.set(type='BaseSegDataset', metainfo=dict(classes=names))
    tree.cfg.model.decode_head.num_classes = 20
    report = tree.check()
    found = find(report, 'label-meaning', 'train')
    assert found.severity == FAULT
    assert 'hold 0 to 20 for 20 classes: if 0 (6' in found.message
    assert 'set reduce_zero_label=True' in found.message
    assert 'label 20' in find(report, 'label-outside', 'train').items[0]
    tree.set(reduce_zero_label=True)
    assert kinds(tree.check()) == {'much-ignored'}


def test_a_class_that_val_alone_lacks_is_no_sign_of_shifted_labels(tree):
    """0 for the rest, 1 to 3: without class 3 in val, its files look as if 0 were a class."""
    tree.change_labels(lambda label: label % 4, ['train'])
    tree.change_labels(lambda label: label % 3, ['val'])
    tree.set(type='BaseSegDataset', reduce_zero_label=True, metainfo=dict(classes=('a', 'b', 'c')))
    tree.cfg.model.decode_head.num_classes = 3
    report = tree.check()
    found = find(report, 'label-meaning')
    assert (found.severity, found.where) == (WARNING, 'val_dataloader.dataset')
    assert found.message.endswith('other data sets of the config hold what is missing here')
    assert report.number(FAULT) == 0
    tree.change_labels(lambda label: label % 3, ['train'])
    assert find(tree.check(), 'label-meaning', 'train').severity == FAULT
    assert find(tree.check(max_images=3), 'label-meaning', 'train').severity == WARNING


def test_a_contradiction_of_dataset_and_transform(tree):
    tree.cfg.train_dataloader.dataset.pipeline[1].reduce_zero_label = True
    assert (
        'False in the dataset, True in its Load' in find(tree.check(), 'reduce-zero-label').message
    )


def test_masks_of_0_and_255(tree):
    tree.change_labels(lambda label: np.where(label == 0, 0, 255))
    tree.set(type='BaseSegDataset', metainfo=dict(classes=('rest', 'thing')))
    tree.cfg.model.decode_head.num_classes = 2
    found = find(tree.check(), 'label-meaning', 'val')
    assert found.severity == FAULT and 'write 1 for the foreground' in found.message


def test_a_class_that_never_occurs(tree):
    tree.change_labels(lambda label: np.where(label == 7, 0, label), ['train'])
    report = tree.check()
    assert find(report, 'class-absent', 'train').items == ['7 car']
    assert find(report, 'class-unlearnt', 'val').items == ['7 car']
    tree.change_labels(lambda label: np.where(label == 7, 0, label), ['val'])
    report = tree.check()
    assert find(report, 'class-absent', 'val').severity == WARNING
    assert report.number(FAULT) == 0
    partial = tree.check(max_images=3)
    assert partial.summaries['train'].read == 3
    assert kinds(partial) == set(), 'what was not looked at may be there'


def test_the_same_picture_in_another_file_format_or_compressed_again(tree):
    """Found by its look under the same name, by its pixels under another."""
    train, val = tree.names('train'), tree.names('val')
    for split in ('train', 'val'):
        for kind in ('images', 'masks'):
            (tree.root / kind / split).mkdir(parents=True)
        for number, name in enumerate(tree.names(split)):
            target = tree.root / f'images/{split}/{number}.png'
            Image.open(tree.image(name)).save(target, compress_level=1)
            shutil.copy(tree.mask(name), tree.root / f'masks/{split}/{number}.png')
        tree.cfg[f'{split}_dataloader'].dataset.update(
            type='BaseSegDataset', metainfo=PascalVOCDataset.METAINFO,
            ann_file='', img_suffix='.png',
            data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'masks/{split}'),
        )  # fmt: skip
    tree.cfg.test_dataloader = None
    report = tree.check()
    assert kinds(report) == set(), 'both number from 0: that alone is nothing'
    assert f'{len(val)} names of val' in find(report, 'namesakes').message

    again = tree.root / 'images/train/3.png'
    Image.open(tree.image(val[3])).save(again, 'JPEG', quality=60)
    shutil.copy(tree.mask(val[3]), tree.root / 'masks/train/3.png')
    elsewhere = tree.root / 'images/train/30.png'
    shutil.copy(tree.root / 'images/val/5.png', elsewhere)
    shutil.copy(tree.root / 'masks/val/5.png', tree.root / 'masks/train/30.png')
    Image.open(elsewhere).save(elsewhere, compress_level=9)
    (tree.root / 'images/train/odd.jpeg').touch()
    report = tree.check()
    assert kinds(report) == {'leak-by-look', 'unlisted-image'}
    assert find(report, 'leak-by-look').items == [f'{tree.root}/images/val/3.png ~ {again}']
    assert find(report, 'leak-by-look').severity == WARNING, 'a look is no proof'
    assert 'it reads those that end in .png' in find(report, 'unlisted-image').message
    report = tree.check(pixels=True)
    assert find(report, 'leak-by-content').items == [f'{tree.root}/images/val/5.png = {elsewhere}']
    assert len(train) > 30


def test_low_contrast_alone_makes_no_two_pictures_alike(tmp_path):
    """Noise as of a microscope: another picture differs, the same one compressed again does not."""
    draw = np.random.default_rng(0)
    first, second = (60 + draw.normal(0, 20, (2, 256, 256))).clip(0, 255).astype(np.uint8)
    for name, pixels, quality in (('a', first, 95), ('again', first, 60), ('b', second, 95)):
        Image.fromarray(pixels).save(tmp_path / f'{name}.jpg', quality=quality)
    a, again, b = (
        look_at(ImageJob(f'{tmp_path}/{name}.jpg', None, False)).thumbnail
        for name in ('a', 'again', 'b')
    )
    assert similar(a, again) and not similar(a, b)


def test_empty_tiles_are_no_copies(tree):
    for name in (*tree.names('train')[:2], tree.names('val')[0]):
        Image.new('RGB', (64, 64)).save(tree.image(name))
        Image.new('L', (64, 64)).save(tree.mask(name))
    assert kinds(tree.check()) == set()


def test_trainaug_beside_aug_is_said(tree):
    lists = {'a': tree.names('train'), 'b': tree.names('train')[30:]}
    for name, names in lists.items():
        tree.list(name).write_text('\n'.join(names))
    part = tree.cfg.train_dataloader.dataset
    parts = [dict(part, ann_file=f'ImageSets/Segmentation/{name}.txt') for name in lists]
    tree.cfg.train_dataloader.dataset = ConfigDict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=parts)
    )
    report = tree.check()
    found = find(report, 'in-two-datasets')
    assert found.where == 'train_dataloader.dataset.dataset.datasets[1]'
    assert '10 images of 10' in found.message and 'trainaug' in found.message
    assert report.summaries['train'].images == 50


def test_mapped_labels_are_not_suspicious(tree):
    """Classes left out on purpose become ignored."""
    tree.set(metainfo=dict(classes=PascalVOCDataset.METAINFO['classes'][:20]))
    tree.cfg.model.decode_head.num_classes = 20
    assert kinds(tree.check()) == set()


def test_other_classes_than_the_network(tree):
    tree.cfg.model.decode_head.num_classes = 22
    assert 'num_classes=22, but train_dataloader' in find(tree.check(), 'classes', 'train').message


def test_a_palette_of_another_length(tree):
    tree.set(metainfo=dict(palette=[[0, 0, 0]]))
    with pytest.raises(UsageError, match=r'train_dataloader\.dataset .*does not build: .*palette'):
        tree.check()


def test_an_empty_dataset(tree):
    tree.list('val').write_text('')
    with pytest.raises(UsageError, match=r'val_dataloader\.dataset holds no image'):
        tree.check()


def test_what_cannot_be_checked_is_said(tree):
    tree.cfg.train_dataloader.dataset.backend_args = dict(backend='petrel')
    tree.cfg.val_dataloader = tree.cfg.test_dataloader = None
    with pytest.raises(UsageError, match='on a server.*the config has no val_dataloader'):
        tree.check()


def test_a_dataset_that_is_none_of_mmengines_is_said(tree):
    tree.cfg.train_dataloader.dataset = ConfigDict(type='mmseg_ext.SeededDataset', dataset=None)
    report = tree.check()
    assert "none of MMEngine's" in find(report, 'not-checked').message
    assert list(report.summaries) == ['val']


def test_lists_with_blank_lines_and_file_names(tree):
    train = tree.names('train')
    tree.list('train').write_text('\n'.join([*train, '']) + '\n\n')
    report = tree.check(max_images=1)
    assert 'blank' in find(report, 'missing-image').message
    tree.list('train').write_text('\n'.join([f'{train[0]}.jpg', *train[1:]]))
    report = tree.check(max_images=1)
    assert 'names without .jpg' in find(report, 'missing-image').message


def test_camvid_passes(tiny_config):
    root = Path(__file__).parents[4] / 'shared/data/camvid'
    if not root.is_dir():
        pytest.skip('the real data is not here')
    leaf = 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py'
    cfg = Config.fromfile(Path(__file__).parents[3] / leaf)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(root)
    init_default_scope('mmseg')
    report = check_config(cfg, 2, max_images=60)
    assert report.findings == []
    assert report.summaries['train'].images == 367
