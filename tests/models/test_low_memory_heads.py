"""The low-memory heads against MMSegmentation's own, in float64."""

import warnings

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.filterwarnings(
    'ignore:When align_corners', 'ignore:``build_pixel_sampler``'
)
NUM_CLASSES = 5
SEVERAL = dict(in_channels=[4, 6, 8], in_index=[0, 1, 2], channels=8)
SINGLE = dict(in_channels=6, in_index=1, channels=8)
HEADS = dict(
    SegformerHead=SEVERAL,
    UPerHead=dict(SEVERAL, pool_scales=(1, 2)),
    ASPPHead=dict(SINGLE, dilations=(1, 2)),
    FCNHead=dict(SINGLE, num_convs=1),
)
CE = dict(type='mmseg_ext.CrossEntropyLoss')
FOCAL = dict(type='mmseg_ext.FocalLoss', loss_weight=0.7)
DICE = dict(type='mmseg_ext.DiceLoss', loss_weight=1.3, use_sigmoid=False)
FOCAL_DICE = dict(type='mmseg_ext.FocalDiceLoss', focal_weight=0.7, dice_weight=1.3)
OHEM = dict(type='mmseg_ext.OHEMLoss', losses=[CE, DICE], min_kept=9, min_loss=1.2)
STOCK_CE = dict(type='CrossEntropyLoss', avg_non_ignore=True)
TVERSKY = dict(type='TverskyLoss', loss_weight=0.5)
SAMPLER = dict(type='OHEMPixelSampler', thresh=0.3, min_kept=9)


def build(config):
    with warnings.catch_warnings(), DefaultScope.overwrite_default_scope('mmseg'):
        warnings.simplefilter('ignore')
        torch.manual_seed(0)
        return MODELS.build(config)


def make_head(kind, loss, **settings):
    name = kind.removeprefix('mmseg_ext.')
    settings = dict(HEADS[name], num_classes=NUM_CLASSES) | settings
    return build(dict(type=kind, loss_decode=loss, **settings)).double()


def pair(name, loss, stock_loss=None, **settings):
    """Ours and the stock head, with the same weights."""
    ours = make_head(f'mmseg_ext.{name}', loss, **settings)
    stock = make_head(name, stock_loss or loss, **settings)
    stock.load_state_dict(ours.state_dict(), strict=True)
    return ours, stock


def make_features():
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 4, 12, 10), (2, 6, 6, 5), (2, 8, 3, 3)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def make_labels(size=(37, 29), num_classes=NUM_CLASSES, num_images=2):
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(0, num_classes, (num_images, *size), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    return labels


def make_samples(labels):
    samples = [SegDataSample(metainfo=dict(img_shape=label.shape)) for label in labels]
    for sample, label in zip(samples, labels, strict=True):
        sample.gt_sem_seg = PixelData(data=label[None])
    return samples


def total(logs):
    return sum(value for name, value in logs.items() if 'loss' in name)


def step(module, inputs, labels, *args):
    """What a module logs, and the gradients of all parameters."""
    torch.manual_seed(3)  # of dropout
    logs = module.loss(inputs, make_samples(labels), *args)
    total(logs).backward()
    gradients = {name: each.grad for name, each in module.named_parameters()}
    return {name: value.detach() for name, value in logs.items()}, gradients


def assert_same_step(ours, stock, labels=None, features=None, args=({},)):
    labels = make_labels() if labels is None else labels
    inputs = make_features() if features is None else features
    (got, got_gradients), (want, want_gradients) = (
        step(head, inputs, labels, *args) for head in (ours, stock)
    )
    tight = dict(rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(total(got), total(want), **tight)
    assert any(gradient.abs().max() > 1e-4 for gradient in want_gradients.values())
    torch.testing.assert_close(got_gradients, want_gradients, **tight)
    for name in want:
        if 'acc_seg' in name:
            torch.testing.assert_close(got[name].float(), want[name].float(), rtol=1e-5, atol=1e-5)
    return got, want


@pytest.mark.parametrize('name', HEADS)
def test_state_dicts_are_exchangeable(name):
    ours, stock = make_head(f'mmseg_ext.{name}', [FOCAL_DICE, CE]), make_head(name, CE)
    assert type(ours).__module__.startswith('mmseg_ext.')
    shapes, wanted = (
        {key: tensor.shape for key, tensor in head.state_dict().items()} for head in (ours, stock)
    )
    assert shapes == wanted
    ours.load_state_dict(stock.state_dict(), strict=True)
    stock.load_state_dict(ours.state_dict(), strict=True)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('name', HEADS)
def test_a_step_equals_the_stock_heads(name, align_corners):
    got, want = assert_same_step(*pair(name, [CE, FOCAL_DICE], align_corners=align_corners))
    assert list(got) == ['loss_ce', 'loss_focal', 'loss_dice', 'acc_seg']
    assert list(want) == ['loss_ce', 'loss_focal_dice', 'acc_seg']
    got, want = assert_same_step(*pair(name, CE, STOCK_CE, align_corners=align_corners))
    assert list(got) == list(want) == ['loss_ce', 'acc_seg']


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(24, 20), (6, 5), (13, 7), (3, 4), (1, 50), (1, 1)])
def test_labels_of_any_size(size, align_corners):
    labels = make_labels(size)
    labels[:, 0, 0] = 1
    heads = pair('FCNHead', [FOCAL, DICE], align_corners=align_corners)
    assert_same_step(*heads, labels)


@pytest.mark.parametrize(
    'losses', [FOCAL, DICE, OHEM, [OHEM, FOCAL], [CE, TVERSKY], [TVERSKY, FOCAL_DICE, STOCK_CE]]
)
def test_any_mixture_of_losses_equals_the_stock_heads(losses):
    assert_same_step(*pair('SegformerHead', losses))


def test_losses_of_one_name_are_added():
    one = make_head('mmseg_ext.FCNHead', CE)
    several = [CE, dict(CE, loss_weight=0.25), dict(STOCK_CE, loss_weight=2.0)]
    logs, _ = step(make_head('mmseg_ext.FCNHead', several), make_features(), make_labels(), {})
    single, _ = step(one, make_features(), make_labels(), {})
    assert list(logs) == ['loss_ce', 'acc_seg']
    torch.testing.assert_close(logs['loss_ce'], 3.25 * single['loss_ce'])


@pytest.mark.parametrize(
    'settings',
    [
        dict(loss=STOCK_CE),
        dict(loss=[STOCK_CE, TVERSKY]),
        dict(loss=STOCK_CE, sampler=SAMPLER),
        dict(loss=CE, sampler=SAMPLER),
        dict(loss=[CE, FOCAL], sampler=dict(SAMPLER, thresh=None)),
    ],
)
def test_without_our_losses_or_with_a_sampler_it_is_the_stock_head(settings):
    got, want = (
        step(head, make_features(), make_labels(), {}) for head in pair('UPerHead', **settings)
    )
    torch.testing.assert_close(got, want, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('loss', 'sampler', 'named'),
    [
        (STOCK_CE, None, 'CrossEntropyLoss'),
        ([CE, TVERSKY, STOCK_CE], None, 'TverskyLoss, CrossEntropyLoss'),
        (CE, SAMPLER, 'OHEMPixelSampler'),
        (TVERSKY, SAMPLER, 'TverskyLoss, OHEMPixelSampler'),
    ],
)
def test_what_costs_the_memory_is_said_once(loss, sampler, named):
    config = dict(type='mmseg_ext.FCNHead', loss_decode=loss, sampler=sampler, num_classes=5)
    message = rf'^FCNHead upsamples all logits.* for {named}: .*mmseg_ext\.OHEMLoss'
    with (
        DefaultScope.overwrite_default_scope('mmseg'),
        pytest.warns(UserWarning, match=message) as seen,
    ):
        head = MODELS.build(config | HEADS['FCNHead']).double()
    assert sum('upsamples' in str(each.message) for each in seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        step(head, make_features(), make_labels((12, 10)), {})


def test_our_losses_cause_no_warning():
    config = dict(type='mmseg_ext.FCNHead', loss_decode=[OHEM, FOCAL_DICE], num_classes=5)
    with warnings.catch_warnings(), DefaultScope.overwrite_default_scope('mmseg'):
        warnings.simplefilter('error')
        # MMSegmentation 1.2 of itself
        warnings.filterwarnings('ignore', '.*build_loss')
        MODELS.build(config | HEADS['FCNHead'])


def test_heads_of_a_network_log_their_terms():
    def network(scope):
        tiny = dict(embed_dims=4, num_layers=[1] * 4, num_heads=[1] * 4, drop_path_rate=0.0)
        head = dict(in_channels=[4] * 4, in_index=[0, 1, 2, 3], channels=8)
        shared = dict(num_classes=NUM_CLASSES, loss_decode=FOCAL_DICE)
        auxiliary = dict(type=f'{scope}FCNHead', in_channels=4, channels=8, num_convs=1, **shared)
        return build(
            dict(
                type='EncoderDecoder',
                backbone=dict(type='MixVisionTransformer', **tiny),
                decode_head=dict(type=f'{scope}SegformerHead', **head, **shared),
                auxiliary_head=[
                    dict(auxiliary, in_index=2),
                    dict(auxiliary, in_index=1, loss_decode=dict(FOCAL_DICE, dice_weight=0.1)),
                ],
            )
        ).double()

    ours, stock = network('mmseg_ext.'), network('')
    stock.load_state_dict(ours.state_dict(), strict=True)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    got, _ = assert_same_step(ours, stock, make_labels((64, 64)), images, args=())
    terms = 'loss_focal', 'loss_dice', 'acc_seg'
    prefixes = 'decode', 'aux_0', 'aux_1'
    assert list(got) == [f'{prefix}.{term}' for prefix in prefixes for term in terms]


@pytest.mark.parametrize(
    ('loss', 'stock_loss'),
    [
        (dict(CE, use_sigmoid=True), dict(STOCK_CE, use_sigmoid=True)),
        (FOCAL_DICE, FOCAL_DICE),
    ],
)
def test_a_binary_head_with_a_single_channel(loss, stock_loss):
    binary = dict(num_classes=2, out_channels=1, threshold=0.3)
    ours, stock = pair('FCNHead', loss, stock_loss, **binary)
    labels = make_labels(num_classes=2)
    inputs = make_features()
    (got, got_gradients), (want, want_gradients) = (
        step(head, inputs, labels, {}) for head in (ours, stock)
    )
    torch.testing.assert_close(total(got), total(want), check_dtype=False)
    torch.testing.assert_close(got_gradients, want_gradients)
    torch.manual_seed(3)
    upsampled = ours.predict_by_feat(ours(inputs), [dict(img_shape=labels.shape[1:])])
    right = ((upsampled[:, 0] > 0) == labels)[labels != 255].float().mean()
    torch.testing.assert_close(got['acc_seg'].float(), 100 * right.view(1))


@pytest.mark.parametrize('loss', [CE, FOCAL_DICE, OHEM])
def test_without_a_valid_pixel_nothing_is_learnt(loss):
    head = make_head('mmseg_ext.SegformerHead', loss)
    logs, gradients = step(head, make_features(), torch.full((2, 37, 29), 255), {})
    assert total(logs) == 0 and logs['acc_seg'] == 0
    assert all(gradient.abs().max() == 0 for gradient in gradients.values())


@pytest.mark.parametrize('loss', [CE, FOCAL_DICE, OHEM])
def test_an_image_without_a_valid_pixel_beside_another(loss):
    labels = make_labels()
    labels[0] = 255
    assert_same_step(*pair('SegformerHead', loss), labels)


@pytest.mark.parametrize('ignore_index', [None, 0])
def test_other_ignored_labels(ignore_index):
    heads = pair('FCNHead', FOCAL_DICE, ignore_index=ignore_index)
    assert_same_step(*heads, make_labels().clamp(max=NUM_CLASSES - 1))


def test_losses_are_float32_under_autocast():
    head = make_head('mmseg_ext.SegformerHead', [CE, FOCAL_DICE, OHEM]).float()
    inputs = [each.float() for each in make_features()]
    want, _ = step(head, inputs, make_labels(), {})
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got, gradients = step(head, inputs, make_labels(), {})
    assert all(value.dtype == torch.float32 for value in got.values())
    torch.testing.assert_close(total(got), total(want), rtol=0.02, atol=0)
    assert total(got) != total(want)
    assert all(gradient.isfinite().all() for gradient in gradients.values())


class LargestTensor(TorchDispatchMode):
    """Keeps the bytes of the largest tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(each, torch.Tensor):
                self.size = max(self.size, each.untyped_storage().nbytes())
        return made


@pytest.mark.parametrize('scope', ['mmseg_ext.', ''])
@pytest.mark.parametrize(
    'loss', [CE, dict(CE, label_smoothing=0.1), FOCAL, DICE, FOCAL_DICE, [OHEM, FOCAL_DICE]]
)
def test_nothing_of_all_classes_at_the_size_of_the_labels_is_made(loss, scope):
    head = make_head(f'{scope}FCNHead', loss, num_classes=64)
    logits = torch.randn(2, 64, 40, 40, requires_grad=True)
    samples = make_samples(make_labels((160, 160), num_classes=64))
    with LargestTensor() as largest:
        total(head.loss_by_feat(logits, samples)).backward()
    assert logits.grad.abs().max() > 0
    full = 2 * 64 * 160 * 160 * 4
    assert largest.size < full / 2 if scope else largest.size >= full
