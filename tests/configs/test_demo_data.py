"""The real VOC pieces read the demo data unchanged but for data_root."""

import shutil

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules

from mmseg_ext.engine.config import complete_config
from mmseg_ext.prepare.voc_aug import convert


@pytest.fixture(scope='module')
def voc(demo_root, tmp_path_factory):
    tree = shutil.copytree(demo_root, tmp_path_factory.mktemp('voc') / 'demo')
    voc = tree / 'VOCdevkit/VOC2012'
    convert(voc.parent, tree / 'benchmark_RELEASE', voc / 'SegmentationClassAug', num_processes=2)
    return voc


@pytest.mark.parametrize('piece, images', [('pascal_voc12', 40), ('pascal_voc12_aug', 48)])
def test_training_validation_and_tta_samples_load(voc, piece, images):
    register_all_modules()
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{piece}.py')
    cfg.data_root = str(voc)
    complete_config(cfg)
    train = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(train) == images
    for index in (0, images - 1):
        sample = train[index]
        assert sample['inputs'].shape[0] == 3 and max(sample['inputs'].shape) <= 512
        labels = np.unique(sample['data_samples'].gt_sem_seg.data)
        assert len(labels) > 1 and set(labels) <= {*range(21), 255}
    val = DATASETS.build(cfg.val_dataloader.dataset)
    truth = val[0]['data_samples'].gt_sem_seg.data
    assert truth.shape[1:] == val[0]['data_samples'].ori_shape
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    assert len(DATASETS.build(cfg.test_dataloader.dataset)[0]['inputs']) == 12  # 6 scales, 2 flips
