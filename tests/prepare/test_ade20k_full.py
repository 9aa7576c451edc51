import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ade20k_trees import (
    EXPECTED,
    OBJECTS,
    encode,
    write_2016,
    write_2021,
    write_classes,
    write_mapping,
    write_sample,
)
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.ade20k_full import RECORD, check, convert
from mmseg_ext.prepare.ade20k_pixels import output_size, resize_nearest
from mmseg_ext.prepare.ade20k_report import format_report

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / 'shared/data/ade20k'
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason='no real ADE20K here')
SIZES = [(70, 50), (40, 61), (32, 32), (90, 90), (31, 70), (100, 33)]


def load(out, split, name):
    label = np.asarray(Image.open(out / 'annotations' / split / f'{name}.png'))
    return label, Image.open(out / 'images' / split / f'{name}.jpg')


def split_of(name):
    return 'validation' if '_val_' in name else 'training'


@needs_shared
def test_the_organisers_own_conversion_is_reproduced(tmp_path):
    pair = SHARED / 'full_to_150'
    name = 'ADE_train_00000970'
    folder = tmp_path / 'full/images/training/x'
    folder.mkdir(parents=True)
    shutil.copy(pair / f'{name}_raw.png', folder / f'{name}_seg.png')
    Image.new('RGB', (1024, 768)).save(folder / f'{name}.jpg')
    files = dict(mapping_file=pair / 'mapFromADE.txt', class_file=SHARED / 'objectInfo150.csv')
    report = convert(tmp_path / 'full', tmp_path / 'out', 1, **files)
    label, image = load(tmp_path / 'out', 'training', name)
    expected = np.asarray(Image.open(pair / f'{name}_challenge.png'))
    assert label.shape == expected.shape == image.size[::-1] and (label != expected).sum() == 0
    assert report['pixels']['total'] == 1024 * 768
    assert check(tmp_path / 'full', tmp_path / 'out', 1, **files) == ([], 1)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((1024, 768), (683, 512)),
        ((768, 1024), (512, 683)),
        ((2000, 2000), (2000, 2000)),  # convertFromADE.m leaves squares alone
        ((900, 512), (900, 512)),
        ((513, 1024), (512, 1022)),
        ((1025, 1024), (513, 512)),  # 512.5, which MATLAB rounds up
    ],
)
def test_sizes_are_those_of_the_matlab_code(size, expected):
    assert output_size(*size, 512) == expected


def test_nearest_is_the_pixel_under_the_centre():
    for old, new in ((768, 512), (1024, 683), (1000, 500), (7, 5), (9, 9)):
        picked = resize_nearest(np.arange(old)[:, None].repeat(2, 1), 2, new)[:, 0]
        centres = [(2 * i + 1) * old / (2 * new) for i in range(new)]
        assert all(p <= c < p + 1 for p, c in zip(picked, centres, strict=True))


def test_release_2016_becomes_the_benchmarks_layout(tmp_path):
    mapping = {5: 7, 300: 150}
    found = write_2016(tmp_path / 'full', SIZES, mapping=mapping)
    report = convert(tmp_path / 'full', tmp_path / 'out', 2, max_short_side=32)
    assert report['images'] == {'training': 4, 'validation': 2}
    files = {path.name for path in (tmp_path / 'out').rglob('*.*')}
    assert len(files) == 2 * len(SIZES) + 1, 'no part annotation becomes a label'
    sizes = [(45, 32), (32, 49), (32, 32), (90, 90), (31, 70), (97, 32)]
    other = 0
    for (name, indices), size in zip(found.items(), sizes, strict=True):
        label, image = load(tmp_path / 'out', split_of(name), name)
        assert image.size == size and label.shape == size[::-1] and label.dtype == np.uint8
        for index, target in {0: 0, 5: 7, 300: 150, 2001: 1, 2002: 2, 2150: 150}.items():
            assert ((resize_nearest(indices, *size) == index) <= (label == target)).all()
        other += (indices == 0).sum()
    assert report['pixels']['unlabelled'] == other and report['pixels']['other'] == 0


def test_images_that_fit_are_copied_and_others_reduced_with_antialiasing(tmp_path):
    found = write_2016(tmp_path / 'full', SIZES)
    convert(tmp_path / 'full', tmp_path / 'out', 1, max_short_side=32)
    for name in found:
        source = next((tmp_path / 'full').rglob(f'{name}.jpg'))
        target = tmp_path / 'out/images' / split_of(name) / f'{name}.jpg'
        original, image = Image.open(source), Image.open(target)
        if original.size == image.size:
            assert source.read_bytes() == target.read_bytes()
        else:
            reduced = original.resize(image.size, Image.Resampling.BICUBIC)
            difference = np.asarray(image, float) - np.asarray(reduced, float)
            assert np.abs(difference).mean() < 12


def test_the_original_size_can_be_kept(tmp_path):
    found = write_2016(tmp_path / 'full', [(600, 520)])
    convert(tmp_path / 'full', tmp_path / 'out', 1, max_short_side=0)
    label, image = load(tmp_path / 'out', 'training', next(iter(found)))
    assert label.shape == (520, 600) and image.size == (600, 520)


def test_a_turned_photograph_is_stored_as_its_labels_are(tmp_path):
    found = write_2016(tmp_path / 'full', [(40, 30)])
    source = next((tmp_path / 'full').rglob('*.jpg'))
    exif = Image.Exif()
    exif[0x0112] = 6  # readers turn it by 90 degrees
    Image.open(source).save(source, exif=exif)
    convert(tmp_path / 'full', tmp_path / 'out', 1)
    _, image = load(tmp_path / 'out', 'training', next(iter(found)))
    assert image.size == (40, 30) and 0x0112 not in image.getexif()


def test_release_2021_goes_by_name_and_tells_what_is_left(tmp_path):
    found = write_2021(tmp_path / 'full', SIZES)
    report = convert(tmp_path / 'full', tmp_path / 'out', 2, max_short_side=0)
    counts = np.bincount(np.concatenate([indices.ravel() for indices in found.values()]))
    for name, indices in found.items():
        label, _ = load(tmp_path / 'out', split_of(name), name)
        table = np.array([EXPECTED.get(index, 0) for index in range(16)])
        assert np.array_equal(label, table[indices])
    others = {each['name']: each for each in report['other']}
    assert {name: each['pixels'] for name, each in others.items()} == {
        'machine': counts[5],
        'crocodile': counts[10],
    }
    assert others['machine']['shares_a_synonym_with'] == ['car auto machine motorcar']
    assert report['pixels'] == dict(
        total=counts.sum(),
        classes=sum(counts[index] for index in EXPECTED),
        other=counts[5] + counts[10],
        unlabelled=counts[0],
    )
    assert len(report['without_name']) == 150 - 9 and report['absent'] == []
    printed = format_report(report)
    assert f'{100 * counts[10] / counts.sum():8.3f} %  crocodile' in printed
    assert 'resolved: screen, crt screen -> crt screen' in printed
    assert 'other order: television receiver, television, tv' in printed
    assert json.loads((tmp_path / 'out' / RECORD).read_text())['report'] == report


def test_names_are_compared_with_the_mapping_of_2016(tmp_path):
    write_2021(tmp_path / 'full', SIZES[:2])
    write_mapping(tmp_path / 'full/mapFromADE.txt', EXPECTED | {5: 4})
    report = convert(tmp_path / 'full', tmp_path / 'out', 1)
    told = [line for line in report['disagreements'] if 'index without name' not in line]
    assert told == ['5 (machine) is car auto machine motorcar there, other by name']


def test_an_image_that_only_the_index_has_is_told(tmp_path):
    found = write_2021(tmp_path / 'full', SIZES[:3])
    gone = sorted(found)[0]
    for file in (tmp_path / 'full').rglob(f'{gone}*.*g'):
        file.unlink()
    report = convert(tmp_path / 'full', tmp_path / 'out', 1)
    assert report['absent'] == [f'{gone}.jpg']


def test_configs_read_the_result(tmp_path):
    write_2016(tmp_path / 'full', SIZES)
    convert(tmp_path / 'full', tmp_path / 'out', 1)
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/ade20k.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        for split, number in (('train', 4), ('val', 2)):
            node = dict(cfg[f'{split}_dataloader'].dataset, data_root=str(tmp_path / 'out'))
            dataset = DATASETS.build(node)
            label = dataset[0]['data_samples'].gt_sem_seg.data
            assert len(dataset) == number
            assert set(label.unique().tolist()) <= {0, 1, 149, 255}


def test_a_second_run_keeps_everything_and_a_broken_one_is_finished(tmp_path):
    write_2016(tmp_path / 'full', SIZES)
    out = tmp_path / 'out'
    report = convert(tmp_path / 'full', out, 1)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob('*.*')}
    assert convert(tmp_path / 'full', out, 1) == report
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.rglob('*.*')}
    label, image = next(out.rglob('*.png')), next(out.rglob('*.jpg'))
    record = json.loads((out / RECORD).read_text())
    for was_finished in (True, False):
        label.unlink()
        image.write_bytes(b'')
        if not was_finished:
            (out / RECORD).write_text(json.dumps(dict(settings=record['settings'])))
        assert convert(tmp_path / 'full', out, 1) == report
        assert label.stat().st_size and image.stat().st_size
    assert {path: content for path, (content, _) in before.items()} == {
        path: path.read_bytes() for path in out.rglob('*.*')
    }


def test_check_names_every_fault(tmp_path):
    write_2016(tmp_path / 'full', SIZES)
    full, out = tmp_path / 'full', tmp_path / 'out'
    convert(full, out, 1, max_short_side=32)
    assert check(full, out, 2, max_short_side=32) == ([], 6)
    labels, images = sorted(out.rglob('*.png')), sorted(out.rglob('*.jpg'))
    labels[0].unlink()
    labels[1].write_bytes(labels[1].read_bytes()[:-30])
    wrong = np.array(Image.open(labels[2]))
    wrong[0, 0] = 3
    Image.fromarray(wrong).save(labels[2])
    wrong[0, 0] = 151
    Image.fromarray(wrong[:33]).save(labels[3])
    wide = np.array(Image.open(labels[4]))
    wide[0, 0] = 151
    Image.fromarray(wide).save(labels[4])
    content = images[0].read_bytes()
    images[0].write_bytes(content[: len(content) // 2])
    Image.new('RGB', Image.open(images[1]).size).save(images[1])
    images[2].unlink()
    shutil.copy(labels[5], labels[5].with_name('stray.png'))
    faults, number = check(full, out, 1, max_short_side=32)
    said = '\n'.join(faults)
    assert number == 6 and len(faults) == 9, said
    for fault in (
        f'{labels[0]} is missing',
        f'{labels[1]} does not read',
        f'{labels[2]} differs from its source in 1 pixels',
        f'{labels[3]} has shape',
        f'{labels[4]} holds label 151',
        f'{images[0]} does not read',
        f'{images[1]} shows something else',
        f'{images[2]} is missing',
        'stray.png: no image of the release gives it',
    ):
        assert fault in said, fault
    assert 'other settings' in check(full, out, 1)[0][0]


def change(tree, name):
    full, out = tree / 'full', tree / 'out'
    seg = sorted(full.rglob('*_seg.png'))[0]
    image = seg.with_name(seg.name.replace('_seg.png', '.jpg'))
    if name == 'no seg':
        seg.unlink()
    elif name == 'torn seg':
        seg.write_bytes(seg.read_bytes()[:200])
    elif name == 'torn image':
        image.write_bytes(image.read_bytes()[:-200])
    elif name == 'other picture':
        Image.new('RGB', (5, 5)).save(image)
    elif name == 'no seg file':
        shutil.copy(image.with_suffix('.jpg'), seg)
    elif name == 'instance mask':
        Image.new('L', (5, 5)).save(seg)
    elif name == 'index':
        Image.fromarray(encode(np.full((5, 5), 16))).save(seg)
    elif name == 'no table':
        (full / 'objectInfo150.csv').unlink()
    elif name == 'web page':
        (full / 'objectInfo150.csv').write_text('<!DOCTYPE html>\n<html>')
    elif name == 'no index file':
        (full / 'index_ade20k.pkl').unlink()
    elif name == 'same name':
        write_sample(full / 'images/ADE/training/other', image.stem, (9, 9), [1])
    elif name == 'challenge':
        (full / 'annotations/training').mkdir(parents=True)
    elif name == 'elsewhere':
        (full / 'images').rename(full / 'pictures')
    elif name == 'one above':
        (tree / 'ADE20K_2021_17_01').mkdir()
        (full / 'images').rename(tree / 'ADE20K_2021_17_01/images')
        full.rmdir() if not list(full.iterdir()) else shutil.rmtree(full)
        return tree, out
    elif name == 'onto itself':
        return full, full
    elif name == 'foreign out':
        (out / 'images/training').mkdir(parents=True)
        (out / 'images/training/ADE_train_00000001.jpg').touch()
    return full, out


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('no seg', r'1 of 4 images .* have no _seg\.png .*ADE_train_00000001\.jpg for one'),
        ('torn seg', r'ADE_train_00000001_seg\.png does not read: .*; unpack or download it again'),
        ('torn image', r'ADE_train_00000001\.jpg does not read'),
        ('other picture', r'ADE_train_00000001\.jpg has size \(5, 5\), its labels \(70, 50\)'),
        ('no seg file', r'_seg\.png, mode RGB, is no _seg\.png of ADE20K'),
        ('instance mask', r'_seg\.png, mode L, is no _seg\.png'),
        ('index', r'_seg\.png holds object index 16, but only 15 have a name'),
        ('no table', r'objectInfo150\.csv; download https://raw.*/objectInfo150\.csv'),
        ('web page', r'objectInfo150\.csv has no Idx and Name for class 1'),
        ('no index file', r'there is no .*index_ade20k\.pkl; it is part of ADE20K_2021_17_01'),
        ('same name', r'have the same name'),
        ('challenge', r'is ADEChallengeData2016.* no conversion: set data_root='),
        ('elsewhere', r'holds no full ADE20K: there is no images/training'),
        ('one above', r'holds ADE20K_2021_17_01: give .*/ADE20K_2021_17_01'),
        ('onto itself', r'is the release itself'),
        ('foreign out', r'holds images that this command did not write'),
    ],
)
def test_bad_input_is_named_and_nothing_half_written(tmp_path, name, message):
    write_2021(tmp_path / 'full', SIZES[:4])
    full, out = change(tmp_path, name)
    with pytest.raises(UsageError, match=message):
        convert(full, out, 1)
    assert not list(tmp_path.rglob('.*'))
    written = [*out.glob('images/*/*'), *out.glob('annotations/*/*')]
    for path in written if out != full and name != 'foreign out' else []:
        Image.open(path).load()


def test_other_settings_need_another_folder(tmp_path):
    write_2021(tmp_path / 'full', SIZES[:2])
    convert(tmp_path / 'full', tmp_path / 'out', 1)
    with pytest.raises(UsageError, match='with another max_short_side; choose another folder'):
        convert(tmp_path / 'full', tmp_path / 'out', 1, max_short_side=0)
    write_classes(tmp_path / 'full/objectInfo150.csv')
    objects = ['floor', *OBJECTS[1:]]
    shutil.rmtree(tmp_path / 'full')
    write_2021(tmp_path / 'full', SIZES[:2], objects=objects)
    with pytest.raises(UsageError, match='with another classes'):
        convert(tmp_path / 'full', tmp_path / 'out', 1)
