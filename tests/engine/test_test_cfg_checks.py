import pytest
from mmengine.config import Config

from mmseg_ext.engine import preflight
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.test_cfg_checks import check_test_cfg

SLIDE = dict(mode='slide', crop_size=(64, 64), stride=(42, 42))


def config(test_cfg, kind='mmseg_ext.EncoderDecoder'):
    return dict(type=kind, test_cfg=test_cfg)


@pytest.mark.parametrize(
    ('test_cfg', 'said'),
    [
        (dict(mode='hole'), r"\.mode='hole': there are 'whole' and 'slide'"),
        (dict(mode='slide', crop_size=(64, 64)), ': mode=slide needs stride, as .*slide'),
        (dict(mode='slide', stride=(64, 64)), ': mode=slide needs crop_size, as .*slide'),
        (dict(SLIDE, stride=(42, 0)), r'\.stride=\(42, 0\): height and width .* as '),
        (dict(SLIDE, crop_size=64), r'\.crop_size=64: height and width'),
        (dict(SLIDE, stride=(42.5, 42)), r'\.stride=\(42\.5, 42\): height and width'),
        (dict(SLIDE, stride=(42, 65)), r': a stride of \(42, 65\) leaves gaps .* of \(64, 64\)'),
    ],
)
def test_settings_that_would_fail_at_the_first_image(test_cfg, said):
    model = config(test_cfg)
    with pytest.raises(UsageError, match=rf'^model\.test_cfg{said}'):
        check_test_cfg(Config(dict(model=model)))
    tta = dict(type='mmseg_ext.SegTTAModel', module=model)
    with pytest.raises(UsageError, match=rf'^tta_model\.module\.test_cfg{said}'):
        check_test_cfg(Config(dict(tta_model=tta)))


@pytest.mark.parametrize(
    'test_cfg', [None, {}, dict(mode='whole'), SLIDE, dict(SLIDE, stride=[64, 1])]
)
def test_settings_that_work(test_cfg):
    check_test_cfg(Config(dict(model=config(test_cfg))))


def test_settings_of_other_segmentors_are_their_own():
    check_test_cfg(Config(dict(model=config(dict(mode='slide_flip'), 'DepthEstimator'))))


def test_they_are_looked_at_before_a_run(tiny):
    tiny.model.test_cfg = dict(mode='hole')
    with pytest.raises(UsageError, match=r'model\.test_cfg\.mode'):
        preflight.check(tiny)
