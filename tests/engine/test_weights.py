import importlib

import pytest
import torch
from mmengine.config import Config

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.weights import check_checkpoint_file, check_source, check_weights


@pytest.mark.parametrize('zipped', [True, False])
def test_both_forms_of_a_checkpoint_pass(tmp_path, zipped):
    file = tmp_path / 'a.pth'
    torch.save({'weight': torch.ones(2)}, file, _use_new_zipfile_serialization=zipped)
    check_checkpoint_file('load_from', str(file))


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04 cut', bytes(64)])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    file = tmp_path / 'a.pth'
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r'load_from: .*a\.pth .* is no PyTorch checkpoint'):
        check_checkpoint_file('load_from', str(file))


def test_a_cut_off_checkpoint_is_named(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'weight': torch.ones(20000)}, file)
    file.write_bytes(file.read_bytes()[:40000])
    with pytest.raises(UsageError, match='cut off'):
        check_checkpoint_file('load_from', str(file))


def test_a_zip_of_something_else_is_no_checkpoint(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('readme.txt', 'hello')
    with pytest.raises(UsageError, match='no PyTorch checkpoint'):
        check_checkpoint_file('load_from', str(tmp_path / 'a.pth'))


def test_a_missing_checkpoint_names_the_ones_beside_it(tmp_path):
    (tmp_path / 'epoch_20.pth').touch()
    with pytest.raises(UsageError, match=r'no checkpoint at .*epoch_200\.pth.*epoch_20\.pth'):
        check_checkpoint_file('load_from', str(tmp_path / 'epoch_200.pth'))


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
