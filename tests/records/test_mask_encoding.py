import numpy as np
import pytest
from mmseg.datasets import ADE20KDataset, BaseSegDataset, PascalVOCDataset
from mmseg.datasets.transforms import LoadAnnotations as StockLoadAnnotations
from PIL import Image

from mmseg_ext.datasets import CamVidDataset
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.palette import voc_palette
from mmseg_ext.records.masks import (
    MaskEncoding,
    find_image_root,
    name_below,
    write_mask,
)
from mmseg_ext.transforms import LoadAnnotations

CAMVID = CamVidDataset.METAINFO['classes']


def made_set(kind, root, truth=None, **settings):
    """A data set of one image, whose truth is a picture of Pillow's or missing."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(root / 'images/a.jpg')
    if truth is not None:
        truth.save(root / 'labels/a.png')
    if kind is PascalVOCDataset:
        (root / 'list.txt').write_text('a\n')
        settings['ann_file'] = 'list.txt'
    prefix = dict(img_path='images', seg_map_path='labels')
    return kind(data_root=str(root), data_prefix=prefix, pipeline=[], **settings)


def read_back(dataset, path, loader):
    info = dataset.get_data_info(0)
    info['seg_map_path'] = str(path)
    return loader()(info)['gt_seg_map']


@pytest.mark.parametrize('loader', [LoadAnnotations, StockLoadAnnotations])
@pytest.mark.parametrize(
    'kind, settings',
    [
        (ADE20KDataset, {}),
        (PascalVOCDataset, {}),
        (CamVidDataset, {}),
        (CamVidDataset, dict(metainfo=dict(classes=('road', 'car', 'sky')))),
        (ADE20KDataset, dict(metainfo=dict(classes=('wall', 'flag', 'floor')))),
    ],
)
def test_the_data_sets_own_loader_reads_the_prediction_back(tmp_path, kind, settings, loader):
    dataset = made_set(kind, tmp_path, **settings)
    classes = len(dataset.metainfo['classes'])
    label = np.arange(15 * 10).reshape(15, 10) % classes
    write_mask(tmp_path / 'sub/mask.png', label, MaskEncoding.from_dataset(dataset))
    assert (read_back(dataset, tmp_path / 'sub/mask.png', loader) == label).all()
    assert [file.name for file in (tmp_path / 'sub').iterdir()] == ['mask.png']


def test_ade20k_counts_from_1(tmp_path):
    encoding = MaskEncoding.from_dataset(made_set(ADE20KDataset, tmp_path))
    write_mask(tmp_path / 'mask.png', np.array([[0, 149]]), encoding)
    mask = Image.open(tmp_path / 'mask.png')
    assert mask.mode == 'L' and np.array(mask).tolist() == [[1, 150]]
    assert str(encoding) == '8-bit grey PNG, classes 1 to 150'


def test_the_palette_is_that_of_the_truth(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    truth = Image.fromarray(np.zeros((4, 5), np.uint8))
    truth.putpalette(colours.tobytes())
    dataset = made_set(CamVidDataset, tmp_path, truth)
    write_mask(tmp_path / 'mask.png', np.array([[0, 7]]), MaskEncoding.from_dataset(dataset))
    mask = Image.open(tmp_path / 'mask.png')
    assert mask.mode == 'P'
    assert np.array(mask.convert('RGB')).tolist() == [colours[[0, 7]].tolist()]


def test_voc_without_truth_has_its_palette_and_grey_truth_gives_grey_masks(tmp_path):
    colours = MaskEncoding.from_dataset(made_set(PascalVOCDataset, tmp_path / 'a')).palette
    assert np.array_equal(colours, voc_palette())
    assert MaskEncoding.from_metainfo(PascalVOCDataset.METAINFO).palette == colours
    grey = Image.fromarray(np.zeros((4, 5), np.uint8))
    dataset = made_set(PascalVOCDataset, tmp_path / 'b', grey)
    assert MaskEncoding.from_dataset(dataset).palette is None


@pytest.mark.parametrize(
    'classes, reduces, mode',
    [
        (255, False, 'L'), (256, False, 'I;16'), (300, False, 'I;16'),
        (254, True, 'L'), (255, True, 'I;16'),
    ],
)  # fmt: skip
def test_no_class_falls_on_the_ignored_label_of_one_byte(tmp_path, classes, reduces, mode):
    metainfo = dict(classes=[str(n) for n in range(classes)], reduce_zero_label=reduces)
    write_mask(
        tmp_path / 'mask.png', np.array([[0, classes - 1]]), MaskEncoding.from_metainfo(metainfo)
    )
    mask = Image.open(tmp_path / 'mask.png')
    assert mask.mode == mode
    assert np.array(mask).tolist() == [[reduces, classes - 1 + reduces]]


@pytest.mark.parametrize(
    'label_map, made',
    [({0: 0, 1: 0, 2: 1}, '0 and 1'), ({1: 255}, 'no label'), ({2: 1}, '1 and 2')],
)
def test_a_label_map_that_cannot_be_turned_back_is_named(label_map, made):
    with pytest.raises(UsageError, match=f"makes '[ab]' of {made} of the files") as raised:
        MaskEncoding.from_metainfo(dict(classes=['a', 'b'], label_map=label_map))
    assert raised.value.shared


def test_a_prediction_outside_the_classes_writes_nothing(tmp_path):
    encoding = MaskEncoding.from_metainfo(dict(classes=['a', 'b']))
    with pytest.raises(ValueError, match='labels 0 to 2 for 2 classes'):
        write_mask(tmp_path / 'mask.png', np.array([[0, 2]]), encoding)
    assert not list(tmp_path.iterdir())


def test_no_class_names():
    with pytest.raises(UsageError, match='need class names'):
        MaskEncoding.from_metainfo({})


def test_equal_names_in_different_folders_stay_apart(tmp_path):
    root = 'data/images'
    names = {str(name_below(f'data/images/{name}', root)) for name in ('a/1.jpg', 'b/1.jpg')}
    assert names == {'a/1.png', 'b/1.png'}
    # dots belong to the name, and nothing is written outside the folder
    assert str(name_below('data/images/a/x.y.jpg', root)) == 'a/x.y.png'
    assert str(name_below('elsewhere/1.jpg', root)) == '1.png'
    assert str(name_below('data/images/../1.jpg', root)) == '1.png'


def test_the_root_of_several_data_sets_is_what_they_share(tmp_path):
    one, two = (made_set(CamVidDataset, tmp_path / name) for name in ('one', 'two'))
    assert find_image_root(one) == str(tmp_path / 'one/images')

    class Joined:
        datasets = (one, two)

    assert find_image_root(Joined()) == str(tmp_path)
    assert find_image_root(object()) == ''


def test_base_data_sets_without_a_map(tmp_path):
    dataset = made_set(BaseSegDataset, tmp_path, metainfo=dict(classes=('a', 'b')))
    assert MaskEncoding.from_dataset(dataset) == MaskEncoding((0, 1))
