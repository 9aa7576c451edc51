import importlib

import pytest
from mmengine.config import Config

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.weights import check_source, check_weights


def test_torchvision_weights_need_a_torchvision_that_imports(monkeypatch):
    def fail(name):
        raise RuntimeError('operator torchvision::nms does not exist')

    monkeypatch.setattr(importlib, 'import_module', fail)
    with pytest.raises(UsageError, match=r'torchvision://resnet50 needs torchvision.*\[gpu\]'):
        check_source('init_cfg', 'torchvision://resnet50')


def test_a_server_out_of_reach_names_the_place_for_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    url = 'http://127.0.0.1:9/mit_b2.pth'  # discard port: nothing listens
    with pytest.raises(UsageError, match=rf'{url} cannot be reached.*{tmp_path}.*mit_b2\.pth'):
        check_source('init_cfg', url)


def test_a_file_in_the_cache_needs_no_server(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    (tmp_path / 'hub/checkpoints').mkdir(parents=True)
    (tmp_path / 'hub/checkpoints/mit_b2.pth').touch()
    check_source('init_cfg', 'http://127.0.0.1:9/mit_b2.pth')


def test_a_scheme_of_the_users_own_is_left_alone():
    check_source('init_cfg', 'bucket://mit_b2.pth')


def test_an_unknown_open_mmlab_name_is_named():
    with pytest.raises(UsageError, match='no such name among'):
        check_source('pretrained', 'open-mmlab://resnet50_v9z')


def test_weights_for_training_are_checked_in_training_only(tmp_path):
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'mit_b2.pth'))
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=init)), train_cfg=None))
    check_weights(cfg)
    cfg.train_cfg = dict(max_epochs=1)
    with pytest.raises(UsageError, match=r'model\.backbone\.init_cfg\.checkpoint: no checkpoint'):
        check_weights(cfg)


@pytest.mark.parametrize(
    ('source', 'way'),
    [
        ('work_dirs/segformer_v2/epoch_200.pth', 'tools/train.py configs/family/segformer_v2.py'),
        ('work_dirs/gone/epoch_200.pth', 'docs/weights.md'),
        ('checkpoints/mit_b2.pth', 'docs/weights.md'),
        ('mit_b2.pth', 'docs/weights.md'),
    ],
)
def test_a_missing_file_names_what_makes_it(monkeypatch, tmp_path, source, way):
    (tmp_path / 'configs/family').mkdir(parents=True)
    (tmp_path / 'configs/family/segformer_v2.py').touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f'no checkpoint at {source}; .*{way}'):
        check_source('load_from', source)


def test_a_torn_file_is_not_said_to_be_missing(tmp_path):
    (tmp_path / 'mit_b2.pth').write_bytes(b'half')
    with pytest.raises(UsageError, match='is no PyTorch checkpoint') as error:
        check_source('load_from', str(tmp_path / 'mit_b2.pth'))
    assert 'makes it' not in str(error.value) and 'weights.md' not in str(error.value)
