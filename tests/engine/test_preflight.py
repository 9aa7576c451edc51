import importlib.util
import shutil

import numpy as np
import pytest
from mmengine.config import ConfigDict
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.weights import check_weights
from mmseg_ext.records.checksums import weight_sources


@pytest.fixture
def cfg(tiny):
    complete_config(tiny)
    return tiny


@pytest.fixture
def own_voc(cfg, voc_root, tmp_path):
    """A copy of the data that a test may spoil, which the config uses."""
    root = tmp_path / 'VOC2012'
    shutil.copytree(voc_root, root)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(root)
    return root


def spoil(voc, split, value):
    name = (voc / f'ImageSets/Segmentation/{split}.txt').read_text().split()[-1]
    file = voc / f'SegmentationClass/{name}.png'
    label = np.array(Image.open(file))
    label[3, 4] = value
    Image.fromarray(label).save(file)
    return file


def test_a_sound_config_passes(cfg):
    preflight.check(cfg)


def test_missing_data_names_the_place_and_the_way_out(cfg):
    cfg.train_dataloader.dataset.data_root = 'data/VOCdevkit/VOC2012-gone'
    with pytest.raises(UsageError, match=r'train_dataloader.*no data/VOCdevkit.*download\.py voc'):
        preflight.check(cfg)


def test_the_class_gives_the_hint_where_the_path_does_not(cfg):
    cfg.train_dataloader.dataset.data_root = '/nowhere'
    with pytest.raises(UsageError, match=r'no /nowhere; run python .*download\.py voc; to try'):
        preflight.check(cfg)


@pytest.mark.parametrize(
    ('kind', 'root', 'folder', 'message'),
    [
        (
            'ADE20KDataset',
            'ADE20K_2021_17_01',
            'images/training',
            'ade20k_full.py FULL OUT and set',
        ),
        ('PascalVOCDataset', 'coco', 'train2017', 'coco_voc.py COCO'),
    ],
)
def test_a_set_that_needs_conversion_names_the_converter(tmp_path, kind, root, folder, message):
    (tmp_path / root / folder).mkdir(parents=True)
    dataset = dict(
        type=kind,
        data_root=str(tmp_path / root),
        data_prefix=dict(img_path=folder, seg_map_path='labels'),
        pipeline=[dict(type='LoadAnnotations')],
    )
    with pytest.raises(UsageError, match=f'there is no .*labels; .*{message}'):
        preflight.check_data('train', dataset, {})


def test_missing_demo_data_names_the_command(cfg):
    cfg.train_dataloader.dataset.data_root = 'data/demo-gone/VOCdevkit/VOC2012'
    with pytest.raises(UsageError, match=r'python tools/dataset_converters/demo\.py'):
        preflight.check(cfg)


def test_missing_sbd_names_the_converter(cfg, voc_root):
    aug = dict(cfg.train_dataloader.dataset, ann_file='ImageSets/Segmentation/aug.txt')
    cfg.train_dataloader.dataset = ConfigDict(type='ConcatDataset', datasets=[aug])
    with pytest.raises(UsageError, match=r'datasets\[0\]\.ann_file.*voc_aug\.py DEVKIT SBD'):
        preflight.check(cfg)


def test_an_image_that_is_listed_but_not_there_is_named(cfg, own_voc):
    name = (own_voc / 'ImageSets/Segmentation/train.txt').read_text().split()[0]
    (own_voc / f'JPEGImages/{name}.jpg').unlink()
    with pytest.raises(UsageError, match=rf'names .*{name}\.jpg, which does not exist'):
        preflight.check(cfg)


def test_an_empty_list_is_named(cfg, own_voc):
    (own_voc / 'ImageSets/Segmentation/train.txt').write_text('')
    with pytest.raises(UsageError, match=r'train_dataloader\.dataset holds no image'):
        preflight.check(cfg)


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize('value', [21, 254])
def test_a_label_outside_the_classes_names_file_and_value(cfg, own_voc, split, value):
    file = spoil(own_voc, split, value)
    with pytest.raises(UsageError, match=rf'{file} holds label {value}; .* 21 classes'):
        preflight.check(cfg)


def test_ignored_labels_and_the_last_class_pass(cfg, own_voc):
    spoil(own_voc, 'train', 255)
    spoil(own_voc, 'val', 20)
    preflight.check(cfg)


def test_labels_are_checked_as_the_pipeline_loads_them(cfg, own_voc):
    """reduce_zero_label turns 21 into 20, which 21 classes allow."""
    spoil(own_voc, 'train', 21)
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader'].dataset.reduce_zero_label = True
    preflight.check(cfg)
    file = spoil(own_voc, 'train', 22)
    with pytest.raises(UsageError, match=rf'{file} holds label 21'):
        preflight.check(cfg)


def test_another_process_of_the_machine_leaves_the_files_to_the_first(cfg, monkeypatch):
    cfg.train_dataloader.dataset.data_root = 'gone'
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('LOCAL_RANK', '1')
    preflight.check(cfg)


@pytest.mark.parametrize('name', ['FocalLoss', 'mmseg.FocalLoss'])
def test_stock_focal_loss_without_compiled_ops_is_refused(cfg, monkeypatch, name):
    cfg.model.decode_head.loss_decode = [ConfigDict(type='CrossEntropyLoss'), ConfigDict(type=name)]
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    message = r'decode_head\.loss_decode\[1\]: stock FocalLoss needs.*use mmseg_ext\.FocalLoss'
    with pytest.raises(UsageError, match=message):
        preflight.check(cfg)


def test_with_compiled_ops_it_is_not(cfg, monkeypatch):
    cfg.model.decode_head.loss_decode = ConfigDict(type='FocalLoss')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: object())
    preflight.check_ops(cfg.model)


def test_a_backbone_of_timm_without_timm_names_the_extra(cfg, monkeypatch):
    cfg.model.backbone = ConfigDict(type='TIMMBackbone', model_name='convnext_tiny')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UsageError, match=r'model\.backbone: TIMMBackbone needs timm: .*\[timm\]'):
        preflight.check(cfg)


def test_timm_s_pretrained_is_no_file(cfg):
    cfg.model.backbone = ConfigDict(type='TIMMBackbone', pretrained=True)
    check_weights(cfg)
    assert weight_sources(cfg) == {}
    cfg.model.backbone.pretrained = 'gone.pth'
    with pytest.raises(UsageError, match=r'model\.backbone\.pretrained.*gone\.pth'):
        check_weights(cfg)


def test_training_needs_no_test_set_and_testing_no_training_set(cfg):
    cfg.test_dataloader.dataset.ann_file = 'gone.txt'
    preflight.check(cfg)
    cfg.train_cfg = None
    with pytest.raises(UsageError, match=r'test_dataloader\.dataset\.ann_file'):
        preflight.check(cfg)


def test_images_without_labels_pass_where_none_are_loaded(cfg, own_voc):
    shutil.rmtree(own_voc / 'SegmentationClass')
    cfg.train_cfg = None
    with pytest.raises(UsageError, match=r'data_prefix\.seg_map_path: there is no'):
        preflight.check(cfg)
    cfg.test_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile')]
    preflight.check(cfg)


def test_labels_that_a_tta_pipeline_loads_are_checked(cfg, own_voc):
    file = spoil(own_voc, 'val', 21)
    cfg.train_cfg = None
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    with pytest.raises(UsageError, match=f'{file} holds label 21'):
        preflight.check(cfg)


def test_data_on_a_server_is_left_alone(cfg):
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader'].dataset.data_root = 's3://bucket/voc'
    preflight.check(cfg)


def test_an_unknown_type_suggests_the_nearest(cfg):
    cfg.model.backbone.type = 'MixVisonTransformer'
    with pytest.raises(UsageError, match=r'model\.backbone\.type=.* did you mean MixVisionTransf'):
        preflight.check(cfg)


def test_unknown_heads_and_losses_suggest_the_nearest_of_ours(cfg):
    ohem = dict(type='mmseg_ext.OHEMLoss', losses=dict(type='mmseg_ext.CrossEntropyLos'))
    cfg.model.decode_head.loss_decode = [dict(type='mmseg_ext.DiceLoss'), ohem]
    message = r'loss_decode\[1\]\.losses\.type=.* did you mean mmseg_ext\.CrossEntropyLoss\?'
    with pytest.raises(UsageError, match=message):
        preflight.check(cfg)
    cfg.model.auxiliary_head = [dict(type='mmseg_ext.FCNHaed', num_classes=21)]
    with pytest.raises(
        UsageError, match=r'auxiliary_head\.type=.* did you mean mmseg_ext\.FCNHead'
    ):
        preflight.check(cfg)


def test_an_unknown_transform_is_named_with_its_place(cfg):
    cfg.train_dataloader.dataset.pipeline[2].type = 'RandomCorp'
    with pytest.raises(UsageError, match=r'dataset\.pipeline\[2\]\.type=RandomCorp.*RandomCrop\?'):
        preflight.check(cfg)


def test_a_forgotten_auxiliary_head_is_named(cfg):
    cfg.model.auxiliary_head = dict(type='FCNHead', num_classes=19)
    with pytest.raises(UsageError, match=r'decode_head.num_classes=21, .*auxiliary_head.*=19'):
        preflight.check(cfg)


def test_a_network_for_other_classes_is_refused(cfg):
    cfg.model.decode_head.num_classes = 22
    with pytest.raises(UsageError, match=r'decode_head: num_classes=22, but .* has 21 classes'):
        preflight.check(cfg)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_class_name_that_occurs_twice_is_refused(cfg, split):
    names = [f'class {number}' for number in range(21)]
    names[4] = names[9].upper()
    dataset = cfg[f'{split}_dataloader'].dataset
    dataset.type, dataset.img_suffix, dataset.seg_map_suffix = 'BaseSegDataset', '.jpg', '.png'
    dataset.metainfo = dict(classes=names, palette=[[0, 0, 0]] * 21)
    said = f"{split}_dataloader.dataset: classes 4 and 9 have one name, 'CLASS 9' and 'class 9'"
    with pytest.raises(UsageError, match=said):
        preflight.check(cfg)


def test_scores_need_class_names_and_training_does_not(cfg):
    for split in ('train', 'val'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.type, dataset.img_suffix, dataset.seg_map_suffix = 'BaseSegDataset', '.jpg', '.png'
    with pytest.raises(UsageError, match=r'val_dataloader.dataset names no classes.*metainfo=dict'):
        preflight.check(cfg)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    preflight.check(cfg)


def test_types_may_be_classes(cfg):
    cfg = cfg.to_dict()  # Config itself would turn them into strings
    for split in ('train', 'val'):
        cfg[f'{split}_dataloader']['dataset']['type'] = PascalVOCDataset
    preflight.check(cfg)


def test_a_dataset_class_with_its_own_arguments_is_checked_too(cfg, own_voc):
    @DATASETS.register_module(force=True)
    class OwnDataset(PascalVOCDataset):
        def __init__(self, ann_file, data_root, data_prefix, pipeline):
            super().__init__(
                ann_file=ann_file, data_root=data_root, data_prefix=data_prefix, pipeline=pipeline
            )

    file = spoil(own_voc, 'train', 99)
    cfg.train_dataloader.dataset.type = 'OwnDataset'
    with pytest.raises(UsageError, match=rf'{file} holds label 99'):
        preflight.check(cfg)
