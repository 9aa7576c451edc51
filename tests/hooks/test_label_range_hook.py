from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.hooks import LabelRangeHook


def make_hook(**head):
    hook = LabelRangeHook()
    hook.before_run(SimpleNamespace(cfg=Config(dict(model=dict(decode_head=head)))))
    return hook


def make_batch(*values):
    sample = SegDataSample(metainfo=dict(img_path='a.jpg', seg_map_path='labels/a.png'))
    sample.gt_sem_seg = PixelData(data=torch.tensor(values).view(1, 1, -1))
    return dict(inputs=[], data_samples=[sample])


@pytest.mark.parametrize('stage', ['train', 'val', 'test'])
def test_names_file_and_label(stage):
    hook = make_hook(num_classes=4)
    check = getattr(hook, f'before_{stage}_iter')
    check(None, 0, data_batch=make_batch(0, 3, 255))
    with pytest.raises(UsageError, match=r'labels/a\.png holds label 4; the network has 4 classes'):
        check(None, 0, data_batch=make_batch(0, 4))


def test_follows_the_ignored_label_of_the_head():
    hook = make_hook(num_classes=4, ignore_index=9)
    hook.before_train_iter(None, 0, data_batch=make_batch(9))
    with pytest.raises(UsageError, match=r'label 255.*9 \(ignored\)'):
        hook.before_train_iter(None, 0, data_batch=make_batch(255))


def test_a_batch_without_truth_passes():
    sample = SegDataSample(metainfo=dict(img_path='a.jpg'))
    make_hook(num_classes=4).before_test_iter(None, 0, data_batch=dict(data_samples=[sample]))


def test_a_tta_batch_passes():
    batch = dict(data_samples=[[SegDataSample()], [SegDataSample()]])
    make_hook(num_classes=4).before_test_iter(None, 0, data_batch=batch)


@pytest.mark.parametrize('value', [-1, -256, 4, 254, 256, 259, 2**40 + 1])
@pytest.mark.parametrize('others', [(0, 3), (0, 255)])
def test_finds_any_label_outside(value, others):
    hook = make_hook(num_classes=4)
    with pytest.raises(UsageError, match=f'holds label {value};'):
        hook.before_train_iter(None, 0, data_batch=make_batch(*others, value))


def test_an_ignored_label_may_be_negative():
    hook = make_hook(num_classes=4, ignore_index=-100)
    hook.before_train_iter(None, 0, data_batch=make_batch(0, -100))
    with pytest.raises(UsageError, match='holds label -1;'):
        hook.before_train_iter(None, 0, data_batch=make_batch(-100, -1))
