"""Each mistake gives one clear line on stderr, status 2, and leaves nothing behind."""

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.engine.preflight import MAX_LABELS

TRAIN = 'tools/train.py'


@pytest.fixture
def fails(run, run_tool, tmp_path):
    """Runs a command that must fail; returns its one line."""

    def fails(*command):
        command = (*command, '--work-dir', tmp_path / 'run')
        in_process = command[0].endswith('.py')
        done = run_tool(*command) if in_process else run(*command, check=False)
        errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
        assert done.returncode == 2, done.stderr[-2000:]
        assert len(errors) == 1 and 'Traceback' not in done.stderr
        assert not (tmp_path / 'run').exists()
        return errors[0]

    return fails


def test_no_such_config(fails):
    assert 'segformer_mit-b0_1xb16-24e_camvid-128x128.py' in fails(
        TRAIN, 'configs/segformer/segformer_mitb0_1xb16-24e_camvid.py'
    )


def test_no_such_config_for_several_processes(fails):
    line = fails('tools/dist_train.sh', 'configs/segformer/segformer_mitb0_camvid.py', 2)
    assert 'did you mean configs/segformer/' in line


def test_more_gpus_than_there_are(fails, tiny_config):
    line = fails('tools/dist_train.sh', tiny_config, 4096)
    assert '4096' in line and 'ask for at most' in line


def test_no_data(fails, tiny_config):
    option = 'data_root=data/VOCdevkit-gone/VOC2012'
    assert 'there is no data/VOCdevkit-gone' in fails(TRAIN, tiny_config, '--cfg-options', option)


def test_no_data_for_several_processes_is_said_once(fails, tiny_config):
    option = 'data_root=data/VOCdevkit-gone/VOC2012'
    line = fails('tools/dist_train.sh', tiny_config, 2, '--cfg-options', option)
    assert 'there is no data/VOCdevkit-gone' in line


@pytest.fixture
def spoilt_voc(voc_root, tmp_path):
    """The demo data with one label of 21, in the first training image."""
    voc = shutil.copytree(voc_root, tmp_path / 'VOC2012')
    name = (voc / 'ImageSets/Segmentation/train.txt').read_text().split()[0]
    label = np.array(Image.open(voc / f'SegmentationClass/{name}.png'))
    label[:, :] = 21
    Image.fromarray(label).save(voc / f'SegmentationClass/{name}.png')
    return voc, name


def test_a_label_outside_the_classes(fails, tiny_config, spoilt_voc):
    voc, name = spoilt_voc
    line = fails(TRAIN, tiny_config, '--cfg-options', f'data_root={voc}')
    assert f'SegmentationClass/{name}.png holds label 21; the network has 21 classes' in line


def test_a_label_that_the_second_process_meets_first(run, tiny_config, spoilt_voc, tmp_path):
    """Beyond the files that are looked at before the start; on a GPU it would be an assertion."""
    voc, name = spoilt_voc
    others = (voc / 'ImageSets/Segmentation/train.txt').read_text().split()[1:]
    names = (others * 20)[:601]
    skipped = set(range(601)) - set(np.linspace(0, 600, MAX_LABELS).round().astype(int))
    position = min(index for index in skipped if index % 2)
    names[position] = name
    (voc / 'long.txt').write_text('\n'.join(names))
    done = run(
        'tools/dist_train.sh', tiny_config, 2, '--work-dir', tmp_path / 'run', '--cfg-options',
        f'data_root={voc}', 'train_dataloader.dataset.ann_file=long.txt',
        'train_dataloader.sampler.shuffle=False', check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.count(f'error: {voc}/SegmentationClass/{name}.png holds label 21') == 1


def test_resume_from_a_torn_checkpoint(run_tool, tiny_config, tmp_path):
    torn = tmp_path / 'epoch_2.pth'
    torn.write_bytes(b'PK\x03\x04 cut off')
    (tmp_path / 'last_checkpoint').write_text(str(torn))
    done = run_tool(TRAIN, tiny_config, '--work-dir', tmp_path, '--resume')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert f'error: --resume: no whole checkpoint in {tmp_path}; there is {torn}' in done.stderr
    assert 'it was cut off' in done.stderr
    assert not list(tmp_path.glob('*/*.log'))


def test_an_option_that_is_none(run_tool, tiny_config):
    done = run_tool(TRAIN, tiny_config, '--cfg-options', 'foo')
    assert done.returncode == 2 and "--cfg-options takes KEY=VALUE, got 'foo'" in done.stderr


def test_a_number_of_nodes_that_is_none(fails, tiny_config, monkeypatch):
    monkeypatch.setenv('NNODES', 'two')
    line = fails('tools/dist_train.sh', tiny_config, 1)
    assert "NNODES must be a whole number, got 'two'" in line


@pytest.mark.skipif(bool(find_spec('torchvision')), reason='this machine has torchvision')
def test_torchvision_weights_without_torchvision(fails, tiny_config):
    option = 'model.pretrained=torchvision://resnet50'
    line = fails(TRAIN, tiny_config, '--cfg-options', option)
    assert 'model.pretrained=torchvision://resnet50 needs torchvision' in line


def test_no_checkpoint(fails, tiny_config, tmp_path):
    (tmp_path / 'page.pth').write_text('<html>404</html>')
    line = fails('tools/test.py', tiny_config, tmp_path / 'page.pth')
    assert 'page.pth (16 bytes) is no PyTorch checkpoint' in line


@pytest.mark.skipif(bool(find_spec('mmcv._ext')), reason='this mmcv has its compiled ops')
def test_stock_focal_loss_without_its_operator(fails, tiny_config):
    option = 'model.decode_head.loss_decode.type=FocalLoss'
    line = fails(TRAIN, tiny_config, '--cfg-options', option)
    assert 'model.decode_head.loss_decode: stock FocalLoss needs' in line
