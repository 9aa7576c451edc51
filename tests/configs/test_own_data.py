"""The README's recipe for data of one's own."""

import json

import numpy as np
from conftest import ROOT, name_run
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine.runner import Runner

METAINFO = """
metainfo = dict(
    classes=('crop', 'weed', 'soil'), palette=[[0, 128, 0], [200, 0, 0], [120, 80, 40]])
"""


def write_data(root):
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for kind in ('images', 'annotations'):
            (root / kind / split).mkdir(parents=True)
        for number in range(4):
            label = np.kron(rng.integers(0, 3, (4, 5)), np.ones((40, 40))).astype(np.uint8)
            Image.fromarray(np.stack([80 * label] * 3, -1)).save(
                root / f'images/{split}/{number}.png'
            )
            Image.fromarray(label).save(root / f'annotations/{split}/{number}.png')


def test_a_copy_of_the_camvid_piece_with_own_classes_trains(tmp_path):
    write_data(tmp_path / 'data')
    text = (ROOT / 'configs/_base_/datasets/camvid.py').read_text()
    for old, new in (
        ("'mmseg_ext.CamVidDataset'", "'BaseSegDataset'" + METAINFO),
        ("'data/camvid'", f"'{tmp_path}/data'"),
        ('data_root=data_root,', "data_root=data_root, metainfo=metainfo, img_suffix='.png',"),
        ('batch_size=16', 'batch_size=2'),
        ('num_workers=2', 'num_workers=0'),
        ('persistent_workers=True', 'persistent_workers=False'),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / 'own.py').write_text(text)
    leaf = (ROOT / 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py').read_text()
    leaf = leaf.replace("'../_base_/datasets/camvid.py'", f"'{tmp_path}/own.py'")
    leaf = leaf.replace("'../_base_", f"'{ROOT}/configs/_base_")
    (tmp_path / 'leaf.py').write_text(leaf.replace('num_classes=11', 'num_classes=3'))
    cfg = Config.fromfile(tmp_path / 'leaf.py')
    cfg.work_dir = str(tmp_path / 'run')
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=1)
    name_run(cfg)
    Runner.from_cfg(cfg).train()
    (entry,) = json.loads((tmp_path / 'run/metrics.json').read_text())['validations']
    assert list(entry['per_class']['IoU']) == ['crop', 'weed', 'soil']
