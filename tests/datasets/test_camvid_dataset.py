import numpy as np
import pytest
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules
from PIL import Image

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def camvid(tmp_path):
    register_all_modules()
    for folder in ('images', 'annotations'):
        (tmp_path / folder).mkdir()
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / 'images/a.jpg')
    Image.fromarray(label).save(tmp_path / 'annotations/a.png')

    def build(**options):
        prefix = dict(img_path='images', seg_map_path='annotations')
        cfg = dict(type='mmseg_ext.CamVidDataset', data_root=str(tmp_path), data_prefix=prefix)
        return DATASETS.build(dict(cfg, pipeline=PIPELINE, **options))

    return build


def test_void_is_ignored_and_the_classes_keep_their_labels(camvid):
    labels = camvid()[0]['gt_seg_map'].ravel().tolist()
    assert labels == [*range(11), 255]


def test_a_choice_of_classes_is_renumbered(camvid):
    labels = camvid(metainfo=dict(classes=('road', 'car')))[0]['gt_seg_map'].ravel()
    assert labels[3] == 0 and labels[8] == 1
    assert set(np.delete(labels, [3, 8])) == {255}
