import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import PackSegInputs, Resize, ResizeToMultiple
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.transforms import AlignedResize

# width and height of images of ADE20K and others; the last are at a multiple, or next to one
SIZES = [(683, 512), (500, 375), (375, 500), (2048, 1024), (64, 64), (640, 513), (640, 511), (3, 2)]


def make_sample(width, height):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return dict(
        img=image,
        gt_seg_map=image[..., 0] // 64,
        seg_fields=['gt_seg_map'],
        ori_shape=(height, width),
        img_path='a.jpg',
    )


def reference_size(width, height, scale, divisor):
    """SegFormer's AlignedResize: mmcv's imrescale, then each side as its ``_align``."""
    ratio = min(max(scale) / max(width, height), min(scale) / min(width, height))
    sides = int(width * ratio + 0.5), int(height * ratio + 0.5)
    return tuple(int(np.ceil(side / divisor)) * divisor for side in sides)


@pytest.mark.parametrize('divisor', [32, 20])
@pytest.mark.parametrize('scale', [(256, 64), (64, 256), (100, 100)])
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_the_size_is_segformers(size, scale, divisor):
    results = AlignedResize(scale, size_divisor=divisor)(make_sample(*size))
    expected = reference_size(*size, scale, divisor)
    assert results['img'].shape[1::-1] == expected
    assert results['gt_seg_map'].shape[::-1] == expected


@pytest.mark.parametrize('settings', [dict(scale=(96, 64)), dict(scale_factor=2.0)])
def test_where_the_size_is_a_multiple_already_it_is_resize(settings):
    ours = AlignedResize(**settings)(make_sample(48, 32))
    theirs = Resize(keep_ratio=True, **settings)(make_sample(48, 32))
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_array_equal(ours[key], value, err_msg=key)


def test_image_bilinear_and_labels_nearest():
    sample = make_sample(70, 50)
    results = AlignedResize((90, 60))(dict(sample))
    assert results['scale'] == (96, 64) and results['img_shape'] == (64, 96)
    assert results['scale_factor'] == (96 / 70, 64 / 50) and results['keep_ratio'] is True
    bilinear = cv2.resize(sample['img'], (96, 64), interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(sample['gt_seg_map'], (96, 64), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(results['img'], bilinear)
    np.testing.assert_array_equal(results['gt_seg_map'], nearest)


def test_one_resize_is_close_to_the_two_of_segformers_code():
    smooth = cv2.resize(make_sample(9, 7)['img'], (683, 500), interpolation=cv2.INTER_CUBIC)
    twice = ResizeToMultiple(32)(Resize((2048, 512), keep_ratio=True)(dict(img=smooth)))
    once = AlignedResize((2048, 512))(dict(img=smooth))
    assert once['img_shape'] == twice['img_shape'] == (512, 704)
    assert np.abs(once['img'].astype(int) - twice['img']).max() <= 3


@pytest.fixture(scope='module')
def network():
    init_default_scope('mmseg')
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', bgr_to_rgb=True),
        backbone=dict(
            type='MixVisionTransformer', embed_dims=8, num_layers=[1] * 4, num_heads=[1] * 4
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8] * 4,
            in_index=[0, 1, 2, 3],
            channels=8,
            num_classes=3,
            align_corners=False,
            norm_cfg=dict(type='BN'),
        ),
        test_cfg=dict(mode='whole'),
    )
    return MODELS.build(ConfigDict(model)).eval()


def test_a_prediction_has_the_size_of_the_file_and_maps_cover_the_image(network):
    sample = make_sample(70, 50)
    del sample['gt_seg_map']
    packed = PackSegInputs()(AlignedResize((90, 60))(dict(sample, seg_fields=[])))
    shapes = []
    hook = network.backbone.register_forward_hook(
        lambda module, inputs, maps: shapes.extend(tuple(each.shape[2:]) for each in maps)
    )
    with torch.no_grad():
        [prediction] = network.test_step({key: [value] for key, value in packed.items()})
    hook.remove()
    assert shapes == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert prediction.pred_sem_seg.shape == (50, 70)
    assert prediction.seg_logits.shape == (50, 70)


def test_a_prediction_lies_where_the_image_has_it(network):
    # an edge off the multiples, in both directions
    image = np.zeros((50, 70), np.uint8)
    image[20:, 33:] = 255
    results = AlignedResize((90, 60))(dict(img=image, ori_shape=image.shape))
    white = torch.from_numpy(results['img'])[None, None] / 255
    sample = SegDataSample(metainfo=dict(ori_shape=(50, 70), img_shape=results['img_shape']))
    [prediction] = network.postprocess_result(torch.cat([1 - white, white], 1), [sample])
    wrong = prediction.pred_sem_seg.data[0].numpy() != (image == 255)
    # along the edge a pixel may go either way
    assert not np.delete(np.delete(wrong, [19, 20], 0), [32, 33], 1).any()
    assert wrong.mean() < 0.02


@pytest.mark.parametrize(
    'settings, said',
    [
        (dict(), 'scale=None, scale_factor=None'),
        (dict(scale=512, scale_factor=1.0), 'scale=512, scale_factor=1.0'),
        (dict(scale=512, keep_ratio=False), 'keep_ratio=False.*Resize'),
        (dict(scale=512, size_divisor=1), 'size_divisor .*got 1'),
        (dict(scale=512, size_divisor=32.0), r'size_divisor .*got 32\.0'),
        (dict(scale=(512, -1)), r'scale .*got \(512, -1\)'),
        (dict(scale=(1, 2, 3)), r'scale .*got \(1, 2, 3\)'),
        (dict(scale_factor=0), 'scale_factor .*got 0'),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        AlignedResize(**settings)
