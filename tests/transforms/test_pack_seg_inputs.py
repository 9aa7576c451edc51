"""PackSegInputs beside MMSegmentation's."""

import numpy as np
import pytest
import torch
from chains import compose, make_sample, run_seeded

from mmseg_ext.transforms import PackSegInputs


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_it_holds_what_the_stock_one_holds(channels):
    sample = make_sample(channels=channels)
    theirs = run_seeded(compose(dict(type='PackSegInputs')), sample)
    ours = run_seeded(PackSegInputs(), sample)
    assert torch.equal(ours['inputs'], theirs['inputs'])
    assert ours['data_samples'].metainfo == theirs['data_samples'].metainfo
    label = ours['data_samples'].gt_sem_seg.data
    assert label.dtype == torch.uint8
    assert torch.equal(label.long(), theirs['data_samples'].gt_sem_seg.data)


def test_nothing_is_copied_that_may_be_written():
    sample = make_sample()
    sample.update({key: sample[key].copy() for key in ('img', 'gt_seg_map')})
    packed = PackSegInputs()(sample)
    assert packed['inputs'].data_ptr() == sample['img'].ctypes.data
    assert packed['data_samples'].gt_sem_seg.data.data_ptr() == sample['gt_seg_map'].ctypes.data


def test_what_was_left_to_the_device_goes_with_it():
    packed = PackSegInputs()(dict(make_sample(), on_device=dict(flip='vertical')))
    assert packed['data_samples'].on_device == dict(flip='vertical')
    assert 'gt_sem_seg' not in PackSegInputs()(dict(img=np.zeros((2, 2, 3))))['data_samples']


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match='on_device'):
        PackSegInputs(meta_keys=('img_path',))
    with pytest.raises(ValueError, match='label.png'):
        PackSegInputs()(dict(make_sample(), gt_seg_map=np.zeros((4, 4, 3), np.uint8)))
