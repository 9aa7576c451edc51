import hashlib

import pytest
import torch
from mmengine.config import Config

from mmseg_ext.records.checksums import (
    data_checksums,
    folder_checksum,
    loaded_files,
    sha256,
    weight_sources,
)


def test_a_sum_is_that_of_sha256sum(tmp_path, run):
    file = tmp_path / 'a.bin'
    file.write_bytes(bytes(range(256)) * 9000)  # more than one block
    assert run('sha256sum', file).stdout.split()[0] == sha256(file)


def test_a_folder_is_its_names_and_sizes_in_order(tmp_path):
    for name, size in (('b.png', 3), ('a.png', 2), ('city/c.png', 1), ('.DS_Store', 9)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'x' * size)
    (tmp_path / 'gone.png').symlink_to('nowhere')
    want = hashlib.sha256(b'a.png\t2\nb.png\t3\ncity/c.png\t1\n').hexdigest()
    assert folder_checksum(tmp_path) == dict(files=3, bytes=6, sha256=want)


def voc(root, ann_file='train.txt'):
    prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
    pipeline = [dict(type='Mosaic', data_root='no data set')]
    return dict(
        type='VOC', data_root=str(root), ann_file=ann_file, data_prefix=prefix, pipeline=pipeline
    )


@pytest.fixture
def tree(tmp_path):
    for folder, name in (('JPEGImages', 'a.jpg'), ('SegmentationClass', 'a.png')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text('pixels')
    (tmp_path / 'train.txt').write_text('a\nb\n')
    (tmp_path / 'aug.txt').write_text('c\n\nd\ne')
    return tmp_path


def test_every_dataset_inside_wrappers_is_found_and_no_other(tree):
    datasets = dict(type='ConcatDataset', datasets=[voc(tree), voc(tree, 'aug.txt')])
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=datasets)),
            val_dataloader=None,
            test_dataloader=dict(dataset=voc(tree)),
        )
    )
    sums = data_checksums(cfg)
    assert [path.removeprefix('train_dataloader.dataset.dataset') for path in sums] == [
        '.datasets[0]',
        '.datasets[1]',
    ]
    first, second = sums.values()
    assert (first['ann_file']['names'], second['ann_file']['names']) == (2, 3)
    assert first['ann_file']['sha256'] == hashlib.sha256(b'a\nb\n').hexdigest()
    assert first['folders'] == second['folders'] and len(first['folders']) == 2


@pytest.mark.parametrize(
    ('changed', 'part'),
    [
        ('train.txt', 'ann_file'),
        ('SegmentationClass/a.png', 'folders'),
        ('JPEGImages/b.jpg', 'folders'),
    ],
)
def test_a_change_of_list_or_files_changes_its_sum_alone(tree, changed, part):
    cfg = Config(dict(train_dataloader=dict(dataset=voc(tree))))
    (before,) = data_checksums(cfg).values()
    (tree / changed).write_text('other')
    (after,) = data_checksums(cfg).values()
    assert [key for key in before if before[key] != after[key]] == [part]


def test_data_without_list_and_prefix_is_its_root_and_data_on_a_server_is_left_alone(tree):
    local = dict(type='Tiles', data_root=str(tree / 'JPEGImages'))
    remote = dict(type='Tiles', data_root='s3://bucket', ann_file='a.txt')
    cfg = Config(dict(train_dataloader=dict(dataset=local), val_dataloader=dict(dataset=remote)))
    here, there = data_checksums(cfg).values()
    assert here['folders']['data_root']['files'] == 1
    assert there == dict(type='Tiles', data_root='s3://bucket')


@pytest.mark.parametrize(
    ('settings', 'error'),
    [
        (dict(data_prefix='JPEGImages'), 'AttributeError'),
        (dict(ann_file=['train.txt', 'aug.txt']), 'TypeError'),
        (dict(data_prefix=dict(img_path='around')), 'OSError'),
    ],
)
def test_a_dataset_that_cannot_be_summed_says_so_and_the_others_are(tree, settings, error):
    (tree / 'around').mkdir()
    (tree / 'around/again').symlink_to(tree / 'around')
    odd = dict(type='Own', data_root=str(tree), **settings)
    cfg = Config(dict(train_dataloader=dict(dataset=odd), val_dataloader=dict(dataset=voc(tree))))
    failed, whole = data_checksums(cfg).values()
    assert failed.pop('error').startswith(f'{error}: ')
    assert failed == dict(type='Own', data_root=str(tree))
    assert whole['ann_file']['names'] == 2 and 'error' not in whole


def test_where_weights_come_from():
    backbone = dict(init_cfg=dict(type='Pretrained', checkpoint='mit.pth'), pretrained=None)
    head = dict(init_cfg=dict(type='Other', checkpoint='no weights'))
    cfg = Config(
        dict(load_from='a.pth', model=dict(pretrained='r.pth', backbone=backbone, decode_head=head))
    )
    assert weight_sources(cfg) == {
        'load_from': 'a.pth',
        'model.pretrained': 'r.pth',
        'model.backbone.init_cfg.checkpoint': 'mit.pth',
    }


def test_a_download_is_summed_in_the_cache_and_what_is_nowhere_has_no_sum(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/mit_b0-1234.pth').write_bytes(b'weights')
    url = 'https://example.org/models/mit_b0-1234.pth?download=1'
    loaded = loaded_files(dict(net=url, gone='gone.pth', odd='petrel://bucket/x.pth'))
    want = hashlib.sha256(b'weights').hexdigest()
    assert loaded['net'] == dict(source=url, bytes=7, sha256=want)
    assert loaded['gone'] == dict(source='gone.pth', bytes=None, sha256=None)
    assert loaded['odd']['sha256'] is None


def test_a_file_is_read_once(tmp_path, monkeypatch):
    file = tmp_path / 'a.pth'
    file.write_bytes(b'x')
    read = []
    monkeypatch.setattr('mmseg_ext.records.checksums.sha256', lambda path: read.append(path) or '')
    loaded_files(dict(load_from=str(file), backbone=str(file)))
    assert read == [file]
