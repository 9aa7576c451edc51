"""The recipe of docs/own-data.md for data of one's own."""

import json

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules
from PIL import Image

from mmseg_ext.engine.runner import Runner
from mmseg_ext.prepare.pairs import find_pairs
from mmseg_ext.prepare.recode import parse_map, recode
from mmseg_ext.prepare.split import Rule, split_pairs
from mmseg_ext.prepare.split_files import SplitFiles

CLASSES = "metainfo = dict(classes=('ground', 'plant'), palette=[[0, 0, 0], [0, 200, 0]])\n"


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Photographs and black and white masks, as labelling tools write them; then the recipe."""
    root = tmp_path_factory.mktemp('own')
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (root / kind).mkdir()
    for number in range(10):
        mask = np.kron(rng.integers(0, 2, (4, 5)), np.full((40, 40), 255)).astype(np.uint8)
        Image.fromarray(np.stack([mask // 2] * 3, -1)).save(root / f'images/{number}.jpg')
        Image.fromarray(mask).save(root / f'masks/{number}_mask.png')
    recode(root / 'masks', root / 'labels', parse_map('0=0,255=1'), 1)
    folders = str(root / 'images'), str(root / 'labels')
    pairs = find_pairs(*folders).pairs
    for csv_root in (None, root):
        SplitFiles(root / 'splits', folders, csv_root).write(split_pairs(pairs, Rule(val=3)))
    return root


def copy_piece(root, place, *changes):
    text = (ROOT / 'configs/_base_/datasets/own_data.py').read_text()
    start, end = text.index('metainfo = dict('), text.index('# (3)')
    text = text[:start] + CLASSES + text[end:]
    for old, new in (
        ("'data/own'", f"'{root}'"),
        ("seg_map_suffix='.png'", "seg_map_suffix='_mask.png'"),
        *changes,
    ):
        assert old in text
        text = text.replace(old, new)
    place.write_text(text)
    return place


def test_a_copy_of_the_piece_trains_on_what_split_and_recode_wrote(root, tmp_path):
    copy_piece(
        root,
        tmp_path / 'own.py',
        ('(512, 512)', '(64, 64)'),
        ('(2048, 512)', '(200, 100)'),
        ('batch_size=4', 'batch_size=2'),
        ('num_workers=4', 'num_workers=0'),
        ('persistent_workers=True', 'persistent_workers=False'),
    )
    (tmp_path / 'leaf.py').write_text(f"""
_base_ = [
    '{ROOT}/configs/_base_/models/segformer_mit-b0.py', '{tmp_path}/own.py',
    '{ROOT}/configs/_base_/schedules/schedule_24e_adamw.py',
    '{ROOT}/configs/_base_/default_runtime.py']
model = dict(data_preprocessor=dict(size=(64, 64)), decode_head=dict(num_classes=2))
train_cfg = dict(max_epochs=1, val_interval=1)
""")
    cfg = Config.fromfile(tmp_path / 'leaf.py')
    cfg.work_dir = str(tmp_path / 'run')
    cfg.visualizer.name = 'own data'
    Runner.from_cfg(cfg).train()
    (entry,) = json.loads((tmp_path / 'run/metrics.json').read_text())['validations']
    assert list(entry['per_class']['IoU']) == ['ground', 'plant']
    assert None not in entry['per_class']['IoU'].values()


def test_the_piece_reads_csv_files_as_its_comment_says(root, tmp_path):
    register_all_modules()
    piece = copy_piece(root, tmp_path / 'own.py', ('.txt', '.csv'))
    text = piece.read_text()
    start, end = text.index('own_data = dict('), text.index('# (4)')
    csv = "own_data = dict(type='mmseg_ext.CsvDataset', data_root=data_root, metainfo=metainfo)\n"
    piece.write_text(text[:start] + csv + text[end:])
    cfg = Config.fromfile(piece)
    from_csv = DATASETS.build(cfg.val_dataloader.dataset)
    lists = Config.fromfile(copy_piece(root, tmp_path / 'lists.py'))
    from_lists = DATASETS.build(lists.val_dataloader.dataset)
    assert len(from_csv) == len(from_lists) == 3
    for index in range(3):
        assert from_csv.get_data_info(index) == from_lists.get_data_info(index)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    assert len(DATASETS.build(cfg.test_dataloader.dataset)[0]['inputs']) == 6
