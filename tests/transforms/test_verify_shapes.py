import numpy as np
import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms import VerifyShapes


def verify(image, label=None, channels=3, **more):
    sample = dict(img=image, img_path='a/1.jpg', seg_fields=[], **more)
    if label is not None:
        sample.update(gt_seg_map=label, seg_map_path='b/1.png', seg_fields=['gt_seg_map'])
    results = VerifyShapes(channels)(sample)
    assert results is sample
    return results


def image(height=20, width=30, *channels, dtype=np.uint8):
    return np.zeros((height, width, *(channels or (3,))), dtype)


@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.int32, np.uint16])
def test_a_pair_passes(dtype):
    verify(image(), np.zeros((20, 30), dtype))


def test_grey_images_pass_where_they_are_expected():
    verify(np.zeros((20, 30), np.uint8), channels=1)
    verify(image(20, 30, 1), channels=1)
    verify(image(20, 30, 7), channels=None)


def test_an_image_alone_passes():
    verify(image())
    VerifyShapes()(dict(img=image()))


@pytest.mark.parametrize(
    'picture, label, said',
    [
        (
            image(),
            image(20, 31)[..., 0],
            r'1\.jpg is 30x20, but b/1\.png \(gt_seg_map\) is 31x20',
        ),
        (image(), image(20, 31)[..., 0], r'check that they are a pair'),
        (image(), image(30, 20)[..., 0], r'EXIF .*color_ignore_orientation'),
        (image(), image(), r'b/1\.png .*\(20, 30, 3\).*palette'),
        (image(), image(dtype=np.float32)[..., 0], r'b/1\.png .* is float32'),
        (image(), image(dtype=bool)[..., 0], r'b/1\.png .* is bool'),
        (image(dtype=np.uint16), None, r'a/1\.jpg is uint16'),
        (image(dtype=np.float32), None, r'a/1\.jpg is float32.*to_float32'),
        (image(20, 30, 4), None, r'a/1\.jpg has shape \(20, 30, 4\) .*not 3 channels'),
        (image(20, 30)[..., 0], None, r'a/1\.jpg has shape \(20, 30\).*color_type'),
        (np.zeros((2, 20, 30, 3), np.uint8), None, r'a/1\.jpg has shape \(2, 20, 30, 3\)'),
    ],
)
def test_what_does_not_fit_is_named(picture, label, said):
    with pytest.raises(UsageError, match=said):
        verify(picture, label)


def test_each_label_map_is_checked():
    with pytest.raises(UsageError, match='gt_other_map'):
        sample = dict(img=image(), gt_seg_map=image()[..., 0], gt_other_map=image(9, 9)[..., 0])
        VerifyShapes()(dict(sample, seg_fields=['gt_seg_map', 'gt_other_map']))


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match='channels .*got 0'):
        VerifyShapes(0)
