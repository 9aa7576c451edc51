import importlib
import runpy
import shutil
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
from killing import survive_kills
from PIL import Image
from scipy.io import savemat

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.demo import write_demo
from mmseg_ext.prepare.lists import write_names
from mmseg_ext.prepare.masks import is_whole_png, read_mask
from mmseg_ext.prepare.palette import voc_palette
from mmseg_ext.prepare.sbd_mat import read_sbd_labels
from mmseg_ext.prepare.voc_aug import convert

STOCK = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters/voc_aug.py'
TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/voc_aug.py'


@pytest.fixture
def tree(demo_root, tmp_path):
    return shutil.copytree(demo_root, tmp_path / 'tree')


def arguments(tree, processes=1):
    voc = tree / 'VOCdevkit/VOC2012'
    return voc.parent, tree / 'benchmark_RELEASE', voc / 'SegmentationClassAug', processes


def run_ours(tree, processes=1):
    convert(*arguments(tree, processes))
    return tree / 'VOCdevkit/VOC2012'


def list_file(voc, split):
    return voc / f'ImageSets/Segmentation/{split}.txt'


def names(voc, split):
    return list_file(voc, split).read_text().split()


@pytest.mark.skipif(not STOCK.exists(), reason='mmsegmentation without its tools')
def test_masks_and_lists_equal_those_of_the_stock_converter(tree, tmp_path, monkeypatch):
    stock = shutil.copytree(tree, tmp_path / 'stock')
    voc = run_ours(tree, 2)
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
        ours = Image.open(voc / 'SegmentationClassAug' / file.name)
        assert np.array_equal(np.array(ours), np.array(Image.open(file)))
        assert ours.mode == 'P' and ours.getpalette() == voc_palette().ravel().tolist()


def test_trainaug_has_a_mask_for_each_name_from_voc_where_sbd_has_none(tree):
    voc = run_ours(tree)
    sbd = {file.stem for file in (tree / 'benchmark_RELEASE/dataset/cls').iterdir()}
    alone = set(names(voc, 'train')) - sbd
    assert alone
    masks = {file.stem for file in (voc / 'SegmentationClassAug').iterdir()}
    assert masks == sbd | alone and masks >= set(names(voc, 'trainaug'))
    for name in alone:
        ours = read_mask(voc / f'SegmentationClassAug/{name}.png')
        assert np.array_equal(ours, read_mask(voc / f'SegmentationClass/{name}.png'))


def test_no_validation_image_leaks_and_nothing_is_listed_twice(tree):
    voc = run_ours(tree)
    aug, trainaug, val = (names(voc, split) for split in ('aug', 'trainaug', 'val'))
    assert not set(trainaug) & set(val) and not set(aug) & set(names(voc, 'train'))
    assert len(trainaug) == len(set(trainaug)) == len(aug) + len(names(voc, 'train'))
    assert aug == sorted(aug) and trainaug == sorted(trainaug)


def test_a_second_run_keeps_masks_and_lists(tree):
    voc = run_ours(tree)
    files = [*(voc / 'SegmentationClassAug').iterdir(), *list_file(voc, 'x').parent.iterdir()]
    before = {file: file.stat().st_mtime_ns for file in files}
    done = convert(*arguments(tree))
    assert not done.written and not done.notes and done.kept == len(files) - 5
    assert before == {file: file.stat().st_mtime_ns for file in files}


def test_masks_that_another_tool_left_torn_are_made_anew(tree):
    masks = sorted((run_ours(tree) / 'SegmentationClassAug').iterdir())
    whole = [mask.read_bytes() for mask in masks[:2]]
    masks[0].write_bytes(whole[0][:-20])
    masks[1].write_bytes(b'')
    assert convert(*arguments(tree)).written == 2
    assert [mask.read_bytes() for mask in masks[:2]] == whole


def test_an_unsorted_list_is_sorted_and_another_one_is_kept_beside(tree):
    voc = run_ours(tree)
    aug, trainaug = names(voc, 'aug'), names(voc, 'trainaug')
    other = [*trainaug[1:], *names(voc, 'val')[:2]]
    list_file(voc, 'aug').write_text('\n'.join(aug[::-1]))
    list_file(voc, 'trainaug').write_text('\n'.join(other))
    notes = convert(*arguments(tree)).notes
    assert [note.partition('.txt ')[2] for note in notes[:3]] == [
        'is not sorted: written anew',
        f'lists 2 names ({min(other[-2:])}, ...) of the validation set: written anew',
        f'lacks {trainaug[0]}: written anew',
    ]
    assert names(voc, 'aug') == aug and names(voc, 'trainaug') == trainaug
    old = list_file(voc, 'trainaug').with_name('trainaug.txt.old')
    assert old.read_text().split() == other and str(old) in notes[3]
    assert not list_file(voc, 'aug').with_name('aug.txt.old').exists()


def first_mat(tree):
    return min((tree / 'benchmark_RELEASE/dataset/cls').iterdir())


def spoil_labels(tree, change):
    mat = first_mat(tree)
    savemat(mat, {'GTcls': {'Segmentation': change(read_sbd_labels(mat))}})


def set_pixel(value, dtype=np.uint8):
    def change(labels):
        labels = labels.astype(dtype)
        labels[3, 4] = value
        return labels

    return change


def add_line(file, line=None):
    lines = file.read_text().split()
    file.write_text('\n'.join([*lines, line or lines[3]]))


def cut(file, length):
    file.write_bytes(file.read_bytes()[:length])


def voc_of(tree):
    return tree / 'VOCdevkit/VOC2012'


def photograph(tree):
    return voc_of(tree) / f'JPEGImages/{first_mat(tree).stem}.jpg'


SPOILT = {
    'missing mat': (lambda t: first_mat(t).unlink(), r'cls lacks {}\.mat, which a list names'),
    'cut-off mat': (lambda t: cut(first_mat(t), 700), r'{}\.mat does not read: .*; unpack bench'),
    'empty mat': (lambda t: cut(first_mat(t), 0), r'{}\.mat does not read'),
    'other mat': (lambda t: savemat(first_mat(t), {'GTinst': 1}), r'{}\.mat holds no GTcls'),
    'no struct': (lambda t: savemat(first_mat(t), {'GTcls': 1}), r'{}\.mat holds no GTcls'),
    'label 21': (lambda t: spoil_labels(t, set_pixel(21)), r'{}\.mat holds label 21; VOC has 21'),
    'label 254': (lambda t: spoil_labels(t, set_pixel(254)), r'{}\.mat holds label 254'),
    'label 259': (
        lambda t: spoil_labels(t, set_pixel(259, np.int16)),
        r'{}\.mat holds labels that are no whole numbers from 0 to 255',
    ),
    'turned mask': (
        lambda t: spoil_labels(t, np.transpose),
        r'{0}\.mat is \d+x\d+, but .*{0}\.jpg',
    ),
    'missing photograph': (lambda t: photograph(t).unlink(), r'JPEGImages lacks {}\.jpg'),
    'torn photograph': (lambda t: cut(photograph(t), 9), r'{}\.jpg does not read'),
    'missing mask of VOC': (
        lambda t: shutil.rmtree(voc_of(t) / 'SegmentationClass'),
        r'SegmentationClass lacks 20 names \(.*\.png, \.\.\.\)',
    ),
    'repeated in VOC train': (lambda t: add_line(list_file(voc_of(t), 'train')), r'train\.txt lis'),
    'repeated in VOC val': (
        lambda t: add_line(list_file(voc_of(t), 'val')),
        r'val\.txt lists .*tw',
    ),
    'repeated in SBD train': (
        lambda t: add_line(t / 'benchmark_RELEASE/dataset/train.txt'),
        r'RELEASE/dataset/train\.txt lists \d+_\d+ twice',
    ),
    'repeated in SBD val': (
        lambda t: add_line(t / 'benchmark_RELEASE/dataset/val.txt'),
        r'RELEASE/dataset/val\.txt lists \d+_\d+ twice',
    ),
    'leak in VOC': (
        lambda t: add_line(list_file(voc_of(t), 'train'), names(voc_of(t), 'val')[2]),
        r'train\.txt and val\.txt in .* both list \d+_\d+; unpack VOC',
    ),
    'missing list': (
        lambda t: list_file(voc_of(t), 'val').unlink(),
        r'there is no list .*val\.txt',
    ),
    'no SBD': (
        lambda t: shutil.rmtree(t / 'benchmark_RELEASE'),
        r'there is no dataset/cls in .*RELEASE/; SBD is the folder benchmark_RELEASE',
    ),
}


@pytest.mark.parametrize('what', SPOILT)
def test_bad_sources_are_named_and_nothing_half_written(tree, what):
    spoil, message = SPOILT[what]
    message = message.format(first_mat(tree).stem)
    spoil(tree)
    with pytest.raises(UsageError, match=message) as caught:
        run_ours(tree)
    assert '\n' not in str(caught.value)
    assert not list_file(voc_of(tree), 'aug').exists()
    assert not list_file(voc_of(tree), 'trainaug').exists()
    masks = voc_of(tree) / 'SegmentationClassAug'
    assert all(is_whole_png(mask) for mask in (masks.iterdir() if masks.exists() else ()))


def test_swapped_folders_are_named(tree):
    with pytest.raises(
        UsageError, match=r'no VOC2012 in .*RELEASE/; the devkit is the folder VOCd'
    ):
        convert(tree / 'benchmark_RELEASE', tree / 'VOCdevkit', tree / 'out', 1)


def test_a_place_that_is_not_for_these_masks_is_refused(tree):
    devkit, sbd, *_ = arguments(tree)
    own = devkit / 'VOC2012/SegmentationClass'
    before = sorted(own.iterdir())
    with pytest.raises(UsageError, match=r"SegmentationClass holds VOC's own masks"):
        convert(devkit, sbd, own, 1)
    with pytest.raises(UsageError, match=r'demo\.json is no folder'):
        convert(devkit, sbd, tree / 'demo.json', 1)
    assert sorted(own.iterdir()) == before


@pytest.fixture
def tool(tree, monkeypatch, capsys):
    """Runs the command on the tree; returns what it printed and its exit status."""
    main = runpy.run_path(str(TOOL))['main']

    def run(*options):
        devkit, sbd, *_ = map(str, arguments(tree))
        monkeypatch.setattr(sys, 'argv', ['voc_aug.py', devkit, sbd, '--nproc', '1', *options])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        return capsys.readouterr().out, status

    return run


def test_the_command_says_what_it_wrote_and_that_this_is_not_the_real_set(tool):
    said, status = tool()
    assert status == 0 and '48 masks' not in said
    assert '58 masks written, 0 kept' in said and 'aug.txt 8, trainaug.txt 48 images' in said
    assert 'not the real VOC 2012 and SBD: train.txt 40 names (real: 1,464)' in said
    said, status = tool('--check')
    assert status == 0 and '58 masks and 2 lists: all right' in said


def test_the_demo_of_the_defaults_is_complete_after_the_conversion_too(tree):
    run_ours(tree)
    assert not write_demo(tree, num_train=40, num_aug=8, num_val=20)


@pytest.mark.parametrize('kills', [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_rerun_after_kills_ends_right(demo_root, tmp_path, kills):
    def make_tree(folder):
        return arguments(shutil.copytree(demo_root, folder / 'tree'), processes=2)

    survive_kills(convert, make_tree, tmp_path, kills=kills)


def damage(what, voc):
    """Spoils a finished tree; returns the file and what must be said of it."""
    masks = sorted((voc / 'SegmentationClassAug').iterdir())
    if what == 'missing':
        masks[0].unlink()
        return masks[0], 'is missing'
    if what == 'cut off':
        cut(masks[1], 150)
        return masks[1], 'does not read'
    if what == 'one pixel':
        labels = read_mask(masks[2])
        labels[0, 0] = 20 - labels[0, 0]
        Image.fromarray(labels).save(masks[2])
        return masks[2], 'in 1 pixels; delete it and convert again'
    if what == 'off by one':
        Image.fromarray(read_mask(masks[3]) + 1).save(masks[3])
        return masks[3], 'differs from'
    if what == 'another size':
        Image.fromarray(read_mask(masks[4])[1:]).save(masks[4])
        return masks[4], 'has shape'
    if what == 'colours':
        Image.open(masks[5]).convert('RGB').save(masks[5])
        return masks[5], 'holds RGB pixels'
    if what == 'extra':
        return shutil.copy(masks[0], voc / 'SegmentationClassAug/2020_1.png'), 'belongs to no image'
    if what == 'leak':
        add_line(list_file(voc, 'aug'), names(voc, 'val')[0])
        return list_file(voc, 'aug'), 'of the validation set'
    if what == 'no list':
        list_file(voc, 'aug').unlink()
        return list_file(voc, 'aug'), ''
    assert what == 'source'
    mat = first_mat(voc.parents[1])
    cut(mat, 700)
    return mat, 'does not read'


DAMAGES = 'missing,cut off,one pixel,off by one,another size,colours,extra,leak,no list,source'


@pytest.mark.parametrize('what', DAMAGES.split(','))
def test_a_check_names_what_is_wrong(tree, tool, what):
    voc = run_ours(tree)
    file, text = damage(what, voc)
    said, status = tool('--check')
    (line,) = [line for line in said.splitlines() if str(file) in line]
    assert text in line and status == 1 and said.endswith('2 lists: 1 faults\n')


def test_grey_masks_of_the_stock_tool_pass_a_check(tree, tool):
    for mask in (run_ours(tree) / 'SegmentationClassAug').iterdir():
        Image.fromarray(read_mask(mask)).save(mask)
    assert tool('--check')[1] == 0


def test_a_check_before_a_conversion_says_so(tree, tool):
    said, status = tool('--check')
    assert status == 1 and 'there is no folder' in said and 'there is no list' in said
    write_names(list_file(voc_of(tree), 'aug'), ['a'])
    assert 'aug.txt lacks 8 names' in tool('--check')[0]
