import pytest

from mmseg_ext.engine import preflight
from mmseg_ext.engine.batch_checks import check_batches, is_ours
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError

OURS = 'mmseg_ext.SegDataPreProcessor'
STOCK = 'mmseg.SegDataPreProcessor'  # without its package, ours takes its place
CUTMIX = dict(type='mmseg_ext.CutMix')
MIXUP = dict(type='mmseg_ext.MixUp')


@pytest.fixture
def cfg(tiny):
    complete_config(tiny)
    return tiny


@pytest.fixture
def ours(cfg):
    """A config with our data preprocessor, which mixes, and a head that takes two labels."""
    cfg.model.decode_head.type = 'mmseg_ext.SegformerHead'
    cfg.model.data_preprocessor.update(type=OURS, batch_augments=[CUTMIX, MIXUP])
    return cfg


def refused(cfg, message):
    with pytest.raises(UsageError, match=message):
        preflight.check(cfg)


def test_a_sound_config_passes(ours):
    preflight.check(ours)


def test_mixtures_need_our_data_preprocessor(ours):
    ours.model.data_preprocessor.type = 'SegDataPreProcessor'
    refused(ours, rf"batch_augments: mixing .* not SegDataPre.*set model\.data_pre.*='{OURS}'")


@pytest.mark.parametrize('wrapped', [False, True])
def test_work_on_the_device_needs_our_data_preprocessor(cfg, wrapped):
    flip = dict(type='mmseg_ext.RandomFlip', prob=0.5, on_device=True)
    step = dict(type='RandomApply', transforms=[flip]) if wrapped else flip
    cfg.model.data_preprocessor.type = STOCK
    cfg.train_dataloader.dataset.pipeline.insert(2, step)
    place = r'pipeline\[2\]\.transforms\[0\]' if wrapped else r'pipeline\[2\]'
    refused(cfg, rf"dataset\.{place}\.on_device=True: RandomFlip needs our.*='{OURS}'")
    cfg.model.data_preprocessor.type = OURS
    cfg.train_dataloader.dataset.pipeline[-1].type = 'mmseg_ext.PackSegInputs'
    preflight.check(cfg)


def test_bytes_as_labels_need_our_data_preprocessor(cfg):
    cfg.model.data_preprocessor.type = STOCK
    cfg.train_dataloader.dataset.pipeline[-1].type = 'mmseg_ext.PackSegInputs'
    message = r"pipeline\[3\]: mmseg_ext\.PackSegInputs needs .*type='mmseg_ext\.SegData"
    with pytest.raises(UsageError, match=message):
        check_batches(cfg)
    cfg.model.data_preprocessor.type = OURS
    check_batches(cfg)


def test_evaluation_needs_nothing(cfg):
    cfg.train_dataloader.dataset.pipeline[-1].type = 'mmseg_ext.PackSegInputs'
    cfg.train_cfg = None
    check_batches(cfg)


def test_images_that_come_alone_cannot_be_mixed(ours):
    ours.train_dataloader.batch_size = 1
    refused(ours, r'train_dataloader\.batch_size=1: .*set train_dataloader\.batch_size=2 or more')
    ours.model.data_preprocessor.batch_augments = None
    preflight.check(ours)


@pytest.mark.parametrize('head', ['decode_head', 'auxiliary_head'])
def test_a_head_that_would_ignore_the_second_label_is_named(ours, head):
    ours.model[head] = dict(type='FCNHead', num_classes=21)
    message = rf'augments\[1\]: MixUp .*model\.{head}\.type=FCNHead would .*\.SegformerHead.*CutMix'
    refused(ours, message)
    ours.model.data_preprocessor.batch_augments = [CUTMIX]
    preflight.check(ours)


@pytest.mark.parametrize(
    ('augments', 'message'),
    [
        ([dict(type='mmseg_ext.CutMicks')], r'augments\[0\]\.type=.*did you mean mmseg_ext\.CutMi'),
        ([dict(CUTMIX, prob=2)], r'does not build: .*CutMix.*prob lies in \(0, 1\], got 2'),
        (CUTMIX, r'does not build: .*batch_augments=\{.*CutMix.* is not a list'),
        ([dict(prob=1)], r"does not build: .*batch_augments\[0\]=\{'prob': 1\} does not mix"),
        (
            [CUTMIX, dict(type='mmseg_ext.RandomErasing')],
            r'does not build: .*augments\[1\]=.*RandomErasing.*in the pipeline.* before Pack',
        ),
        ([dict(CUTMIX, size=2)], "does not build: .*unexpected keyword argument 'size'"),
        ([MIXUP, CUTMIX], 'does not build: .*put it last'),
        ([dict(type='mmseg_ext.CopyPaste', classes=[3, 21])], r'has 21 classes, so \[21\] would'),
    ],
)
def test_settings_that_cannot_work_are_named(ours, augments, message):
    ours.model.data_preprocessor.batch_augments = augments
    refused(ours, message)


def test_a_class_and_one_derived_from_ours_are_ours(ours):
    from mmseg_ext.models import SegDataPreProcessor

    class Derived(SegDataPreProcessor):
        pass

    for kind in (SegDataPreProcessor, Derived, OURS):
        assert is_ours(dict(type=kind))
    for config in (None, {}, dict(type='SegDataPreProcessor'), dict(type='Unknown')):
        assert not is_ours(config)


def test_an_unknown_data_preprocessor_suggests_the_nearest(cfg):
    cfg.model.data_preprocessor.type = 'mmseg_ext.SegDataPreprocesor'
    refused(cfg, r'model\.data_preprocessor\.type=.* did you mean mmseg_ext\.SegDataPreProcessor')
