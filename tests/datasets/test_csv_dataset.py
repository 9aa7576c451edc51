from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.preflight import check_data
from mmseg_ext.prepare.csv_lists import format_rows, parse_rows
from mmseg_ext.records.checksums import data_checksums

WILDSCENES = ROOT.parent / 'shared/data/wildscenes'
META = dict(classes=('sky', 'grass', 'rock'), palette=[[0, 0, 9], [0, 9, 0], [9, 0, 0]])
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
HEADER = 'id,im_path,label_path\n'


@pytest.fixture
def root(tmp_path):
    register_all_modules()
    for place, value in (('V/image', None), ('V/label', 1)):
        (tmp_path / place).mkdir(parents=True)
        for name in ('b', 'a'):
            shape = (4, 6, 3) if value is None else (4, 6)
            pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 4
            Image.fromarray(pixels).save(tmp_path / place / f'{name}.png')
    (tmp_path / 'train.csv').write_text(
        f'{HEADER}b,V/image/b.png,V/label/b.png\na,V/image/a.png,V/label/a.png\n'
    )
    (tmp_path / 'train.txt').write_text('b\na\n')
    return tmp_path


def config(root, **settings):
    cfg = dict(type='mmseg_ext.CsvDataset', data_root=str(root), ann_file='train.csv')
    return dict(cfg, metainfo=META, pipeline=PIPELINE) | settings


def build(root, **settings):
    return DATASETS.build(config(root, **settings))


@pytest.mark.parametrize('reduce_zero_label', [False, True])
def test_samples_equal_those_of_the_stock_class_over_a_list(root, reduce_zero_label):
    ours = build(root, reduce_zero_label=reduce_zero_label)
    stock = DATASETS.build(
        dict(
            type='BaseSegDataset',
            data_root=str(root),
            ann_file='train.txt',
            data_prefix=dict(img_path='V/image', seg_map_path='V/label'),
            img_suffix='.png',
            metainfo=META,
            reduce_zero_label=reduce_zero_label,
            pipeline=PIPELINE,
        )
    )
    assert len(ours) == len(stock) == 2 and ours.metainfo == stock.metainfo
    for index in range(2):
        assert ours.get_data_info(index) == stock.get_data_info(index)
        assert np.array_equal(ours[index]['gt_seg_map'], stock[index]['gt_seg_map'])
    assert set(np.unique(ours[0]['gt_seg_map'])) == (
        {255, 0, 1, 2} if reduce_zero_label else {0, 1, 2, 3}
    )


def test_prefixes_suffixes_and_columns_are_settings(root):
    (root / 'own.csv').write_text('scene,picture\nV,b\nV,a\n')
    data = build(
        root,
        ann_file='own.csv',
        columns=dict(id=None, img_path='picture', seg_map_path='picture'),
        data_prefix=dict(img_path='V/image', seg_map_path='V/label'),
        img_suffix='.png',
        seg_map_suffix='.png',
    )
    assert [data.get_data_info(i) for i in range(2)] == [
        build(root).get_data_info(i) for i in range(2)
    ]


def test_without_labels_there_are_none(root):
    (root / 'test.csv').write_text('id,im_path\na,V/image/a.png\n')
    data = build(root, ann_file='test.csv', data_prefix=dict(img_path=''))
    assert 'seg_map_path' not in data.get_data_info(0)
    assert Path(data.get_data_info(0)['img_path']).is_file()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'train\.csv has no column id; its first line is empty'),
        (HEADER, r'train\.csv lists no image'),
        ('id;im_path;label_path\na;b;c\n', 'no column id; its first line is id;im_path;label_path'),
        ('id,im_path\na,b\n', 'no column label_path; its first line is id,im_path'),
        (f'{HEADER}a,V/image/a.png\n', r'train\.csv, line 2: no label_path'),
        (f'{HEADER}a,,b\n', 'line 2: no im_path'),
        (f'{HEADER}a,b,c\nd,e,f\na,g,h\n', 'line 4: a is in line 2 already'),
    ],
)
def test_a_bad_file_is_named_with_its_line(root, text, message):
    (root / 'train.csv').write_text(text)
    with pytest.raises(UsageError, match=message):
        build(root)


def test_settings_that_make_no_sense_are_refused(root):
    with pytest.raises(UsageError, match='needs an ann_file'):
        build(root, ann_file='')
    with pytest.raises(UsageError, match='columns has image; it takes id, img_path, seg_map_path'):
        build(root, columns=dict(image='im_path'))


def test_spreadsheets_files_are_read_and_rows_survive_a_round_trip(root):
    (root / 'train.csv').write_bytes(
        '\ufeffid,im_path,label_path\r\n"a, ü","V/a ""1"".png",V/label/a.png\r\n'.encode()
    )
    info = build(root).get_data_info(0)
    assert info['img_path'] == f'{root}/V/a "1".png'
    rows = parse_rows((root / 'train.csv').read_text(), '')
    assert parse_rows(format_rows(rows), '') == rows


def test_preflight_and_the_records_know_it(root):
    model = dict(decode_head=dict(num_classes=3, ignore_index=255))
    with pytest.raises(UsageError, match=r'V/label/b\.png holds label 3'):
        check_data('train', config(root), model)
    (root / 'V/image/a.png').unlink()
    with pytest.raises(UsageError, match=r'names .*V/image/a\.png, which does not exist'):
        check_data('train', config(root), model)
    with pytest.raises(UsageError, match=r'ann_file: there is no .*gone\.csv'):
        check_data('train', config(root, ann_file='gone.csv'), model)
    (sums,) = data_checksums(Config(dict(train_dataloader=dict(dataset=config(root))))).values()
    assert sums['ann_file']['names'] == 2, 'the header is no image'
    assert sums['folders']['data_root']['files'] == 5


@pytest.mark.skipif(not WILDSCENES.is_dir(), reason='without WildScenes lists')
def test_the_lists_of_wildscenes_are_read():
    register_all_modules()
    images = {}
    for split, number in (('train', 6051), ('val', 283), ('test', 2133)):
        data = build(WILDSCENES, ann_file=f'opt2d_{split}.csv')
        assert len(data) == number
        images[split] = {data.get_data_info(i)['img_path'] for i in range(number)}
        info = data.get_data_info(number - 1)
        assert info['seg_map_path'] == info['img_path'].replace('/image/', '/indexLabel/')
    assert len(set.union(*images.values())) == 6051 + 283 + 2133
