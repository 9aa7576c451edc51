"""Each mistake gives one clear line on stderr, status 2, and leaves nothing behind."""

import re
import sys
from importlib.util import find_spec

import pytest

TRAIN = (sys.executable, 'tools/train.py')


@pytest.fixture
def fails(run, tmp_path):
    """Runs a command that must fail; returns its one line."""

    def fails(*command):
        done = run(*command, '--work-dir', tmp_path / 'run', check=False)
        errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
        assert done.returncode == 2, done.stderr[-2000:]
        assert len(errors) == 1 and 'Traceback' not in done.stderr
        assert not (tmp_path / 'run').exists()
        return errors[0]

    return fails


def test_no_such_config(fails):
    assert 'segformer_mit-b0_1xb16-24e_camvid-128x128.py' in fails(
        *TRAIN, 'configs/segformer/segformer_mitb0_1xb16-24e_camvid.py'
    )


def test_no_such_config_for_several_processes(fails):
    line = fails('tools/dist_train.sh', 'configs/segformer/segformer_mitb0_camvid.py', 2)
    assert 'did you mean configs/segformer/' in line


def test_more_gpus_than_there_are(fails, tiny_config):
    line = fails('tools/dist_train.sh', tiny_config, 4096)
    assert '4096' in line and 'ask for at most' in line


def test_no_data(fails, tiny_config):
    option = 'data_root=data/VOCdevkit-gone/VOC2012'
    assert 'there is no data/VOCdevkit-gone' in fails(*TRAIN, tiny_config, '--cfg-options', option)


def test_no_data_for_several_processes_is_said_once(fails, tiny_config):
    option = 'data_root=data/VOCdevkit-gone/VOC2012'
    line = fails('tools/dist_train.sh', tiny_config, 2, '--cfg-options', option)
    assert 'there is no data/VOCdevkit-gone' in line


def test_a_label_outside_the_classes(fails, tiny_config):
    # the demo's labels go up to 20
    line = fails(*TRAIN, tiny_config, '--cfg-options', 'model.decode_head.num_classes=20')
    assert re.search(r'SegmentationClass/\S+\.png holds label 20; the network has 20 classes', line)


@pytest.mark.skipif(bool(find_spec('torchvision')), reason='this machine has torchvision')
def test_torchvision_weights_without_torchvision(fails, tiny_config):
    option = 'model.pretrained=torchvision://resnet50'
    line = fails(*TRAIN, tiny_config, '--cfg-options', option)
    assert 'model.pretrained=torchvision://resnet50 needs torchvision' in line


def test_no_checkpoint(fails, tiny_config, tmp_path):
    (tmp_path / 'page.pth').write_text('<html>404</html>')
    line = fails(sys.executable, 'tools/test.py', tiny_config, tmp_path / 'page.pth')
    assert 'page.pth (16 bytes) is no PyTorch checkpoint' in line


@pytest.mark.skipif(bool(find_spec('mmcv._ext')), reason='this mmcv has its compiled ops')
def test_stock_focal_loss_without_its_operator(fails, tiny_config):
    option = 'model.decode_head.loss_decode.type=FocalLoss'
    line = fails(*TRAIN, tiny_config, '--cfg-options', option)
    assert 'model.decode_head.loss_decode: stock FocalLoss needs' in line
