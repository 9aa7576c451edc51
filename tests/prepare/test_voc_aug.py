import importlib
import shutil
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.voc_aug import convert

STOCK = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters/voc_aug.py'


@pytest.fixture
def tree(demo_root, tmp_path):
    return shutil.copytree(demo_root, tmp_path / 'tree')


def run_ours(tree):
    voc = tree / 'VOCdevkit/VOC2012'
    convert(voc.parent, tree / 'benchmark_RELEASE', voc / 'SegmentationClassAug', num_processes=1)
    return voc


def names(voc, split):
    return (voc / f'ImageSets/Segmentation/{split}.txt').read_text().split()


@pytest.mark.skipif(not STOCK.exists(), reason='mmsegmentation without its tools')
def test_masks_and_lists_equal_those_of_the_stock_converter(tree, tmp_path, monkeypatch):
    stock = shutil.copytree(tree, tmp_path / 'stock')
    voc = run_ours(tree)
    # the stock script insists on the size of the real set
    monkeypatch.syspath_prepend(STOCK.parent)
    script = importlib.import_module('voc_aug')
    script.AUG_LEN = len(names(voc, 'trainaug'))
    argv = ['voc_aug.py', str(stock / 'VOCdevkit'), str(stock / 'benchmark_RELEASE')]
    monkeypatch.setattr(sys, 'argv', argv)
    script.main()
    stock_voc = stock / 'VOCdevkit/VOC2012'
    for split in ('aug', 'trainaug'):
        assert names(voc, split) == sorted(names(stock_voc, split))
    theirs = sorted((stock_voc / 'SegmentationClassAug').iterdir())
    assert len(theirs) > 8
    for file in theirs:
        ours = voc / 'SegmentationClassAug' / file.name
        assert np.array_equal(np.array(Image.open(ours)), np.array(Image.open(file)))


def test_no_validation_image_leaks_and_nothing_is_listed_twice(tree):
    voc = run_ours(tree)
    aug, trainaug, val = (names(voc, split) for split in ('aug', 'trainaug', 'val'))
    assert not set(trainaug) & set(val) and not set(aug) & set(names(voc, 'train'))
    assert len(trainaug) == len(set(trainaug)) == len(aug) + len(names(voc, 'train'))


def test_a_second_run_keeps_the_masks(tree):
    masks = run_ours(tree) / 'SegmentationClassAug'
    before = {file.name: file.stat().st_mtime_ns for file in masks.iterdir()}
    run_ours(tree)
    assert before == {file.name: file.stat().st_mtime_ns for file in masks.iterdir()}


def test_a_missing_mat_file_is_named(tree):
    next((tree / 'benchmark_RELEASE/dataset/cls').iterdir()).unlink()
    with pytest.raises(UsageError, match=r'lists 1 images without a \.mat file'):
        run_ours(tree)


def test_swapped_folders_are_named(tree):
    with pytest.raises(UsageError, match=r'there is no list .*VOC2012/ImageSets'):
        convert(tree / 'benchmark_RELEASE', tree / 'VOCdevkit', tree / 'out', 1)
