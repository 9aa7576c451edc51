import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import LovaszLoss as StockLovaszLoss
from mmseg.structures import SegDataSample

from mmseg_ext.losses import LovaszLoss
from mmseg_ext.registry import MODELS


def draw(num_channels=4, num_images=2, size=(5, 6), ignored=0.3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_images, num_channels, *size, generator=generator, dtype=dtype) * 3
    label = torch.randint(0, max(num_channels, 2), (num_images, *size), generator=generator)
    label[torch.rand(label.shape, generator=generator) < ignored] = 255
    return logits, label


def value_and_gradient(loss, logits, label, **kwargs):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, label, **kwargs)
    value.sum().backward()
    return value.detach(), logits.grad


def jaccard_loss(wrong, own):
    """1 - IoU of the class ``own`` if exactly the pixels ``wrong`` are mispredicted."""
    predicted = own ^ wrong
    union = np.count_nonzero(own | predicted)
    return 1 - np.count_nonzero(own & predicted) / union if union else 0.0


def extension(errors, own):
    """The definition: errors in falling order, each times what its pixel adds to the loss."""
    total, wrong = 0.0, np.zeros_like(own)
    for pixel in np.argsort(-errors):
        before = jaccard_loss(wrong, own)
        wrong[pixel] = True
        total += max(errors[pixel], 0) * (jaccard_loss(wrong, own) - before)
    return total


def lovasz_by_hand(logits, label, classes='present', class_weight=None, ignore_index=255):
    """Of one group of images, float64, pixel by pixel."""
    valid = (label != ignore_index).numpy()
    truth = label.numpy()[valid]
    z = logits.double().movedim(1, -1).numpy()[valid]
    if z.shape[1] == 1:
        return extension(1 - np.where(truth == 1, 1, -1) * z[:, 0], truth == 1)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    if classes == 'present':
        classes = np.unique(truth)
    elif classes == 'all':
        classes = range(z.shape[1])
    losses = []
    for c in classes:
        own = truth == c
        factor = 1 if class_weight is None else class_weight[c]
        losses.append(factor * extension(np.where(own, 1 - p[:, c], p[:, c]), own))
    return np.mean(losses) if losses else 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 3),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.sampled_from(['present', 'all', [0], [2, 0]]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_equals_the_definition(channels, images, size, ignored, classes, per_image, seed):
    logits, label = draw(channels, images, size, ignored, seed, torch.float64)
    binary = channels == 1
    if binary or (isinstance(classes, list) and max(classes) >= channels):
        classes = 'present'
    loss = LovaszLoss('binary' if binary else 'multi_class', classes, per_image)
    groups = [[n] for n in range(images)] if per_image else [range(images)]
    groups = [list(group) for group in groups if (label[list(group)] != 255).any()]
    wanted = [lovasz_by_hand(logits[group], label[group], classes) for group in groups]
    assert loss(logits, label).item() == pytest.approx(np.mean(wanted) if wanted else 0, abs=1e-12)


@pytest.mark.parametrize(
    ('channels', 'kwargs'),
    [
        (4, {}),
        (4, dict(classes='all')),
        (4, dict(classes=[2, 0])),
        (4, dict(class_weight=[0.5, 2.0, 0.0, 3.0])),
        (4, dict(per_image=True, class_weight=[0.5, 2.0, 0.0, 3.0])),
        (30, dict(loss_weight=0.3)),
        (1, dict(loss_type='binary')),
        (1, dict(loss_type='binary', per_image=True, loss_weight=2.0)),
    ],
)
def test_equals_stock(channels, kwargs):
    logits, label = draw(channels, num_images=3, size=(7, 9))
    ours = value_and_gradient(LovaszLoss(**kwargs), logits, label)
    reduction = 'mean' if kwargs.get('per_image') else 'none'
    stock = value_and_gradient(StockLovaszLoss(**kwargs, reduction=reduction), logits, label)
    torch.testing.assert_close(ours[0], stock[0])
    torch.testing.assert_close(ours[1], stock[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_reduces_images_as_stock(reduction):
    logits, label = draw(num_images=3)
    settings = dict(per_image=True, reduction=reduction)
    avg_factor = 7.0 if reduction == 'mean' else None
    for override in (None, 'sum' if avg_factor is None else None):
        inputs = dict(avg_factor=avg_factor, reduction_override=override)
        ours = value_and_gradient(LovaszLoss(**settings), logits, label, **inputs)
        stock = value_and_gradient(StockLovaszLoss(**settings), logits, label, **inputs)
        torch.testing.assert_close(ours, stock, rtol=1e-4, atol=1e-7)


def certain(prediction, num_classes, margin=2000.0):
    one_hot = torch.nn.functional.one_hot(prediction, num_classes).movedim(-1, 1)
    return (one_hot.double() - 0.5) * margin


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**31), st.booleans())
def test_certain_predictions_cost_one_minus_iou(num_classes, seed, all_right):
    _, label = draw(num_classes, size=(6, 7), seed=seed)
    _, prediction = draw(num_classes, size=(6, 7), ignored=0, seed=seed + 1)
    prediction = torch.where((label != 255) & all_right, label, prediction)
    overlap, union, *_ = IoUMetric.intersect_and_union(prediction, label, num_classes, 255)
    present = [c for c in range(num_classes) if (label == c).any()]
    iou = (overlap[present] / union[present]).double()
    loss = LovaszLoss()(certain(prediction, num_classes), label)
    assert loss.item() == pytest.approx((1 - iou).mean().item() if present else 0, abs=1e-6)


def test_hinge_of_margin_one_costs_twice_one_minus_iou():
    _, label = draw(1, size=(6, 7))
    _, prediction = draw(1, size=(6, 7), ignored=0, seed=1)
    overlap, union, *_ = IoUMetric.intersect_and_union(prediction, label, 2, 255)
    logits = (2.0 * prediction - 1).unsqueeze(1)
    loss = LovaszLoss('binary')(logits, label)
    assert loss.item() == pytest.approx(2 * (1 - (overlap / union)[1].item()))


@pytest.mark.parametrize(
    ('channels', 'kwargs'),
    [
        (3, {}),
        (3, dict(classes='all', per_image=True, reduction='none')),
        (3, dict(class_weight=[1.0, 0.2, 3.0], loss_weight=0.7)),
        (1, dict(loss_type='binary')),
        (1, dict(loss_type='binary', per_image=True, reduction='sum')),
    ],
)
def test_gradcheck(channels, kwargs):
    logits, label = draw(channels, size=(2, 3), dtype=torch.float64)
    loss = LovaszLoss(**kwargs)
    assert torch.autograd.gradcheck(lambda z: loss(z, label), logits.requires_grad_())


def test_gradient_keeps_its_digits_with_many_pixels():
    logits, label = draw(2, 1, (512, 1024), ignored=0)
    exact = value_and_gradient(LovaszLoss(), logits.double(), label)[1]
    ours = value_and_gradient(LovaszLoss(), logits, label)[1]
    stock = value_and_gradient(StockLovaszLoss(reduction='none'), logits, label)[1]
    off = [((each - exact).norm() / exact.norm()).item() for each in (ours, stock)]
    assert off[0] < 1e-4 and off[1] > 1e-2


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('channels', [1, 5])
def test_half_precision_is_computed_in_float32(dtype, channels):
    logits, label = draw(channels)
    logits = logits.mul(10).clamp(-60, 60).to(dtype)
    loss = LovaszLoss('binary' if channels == 1 else 'multi_class')
    wanted = value_and_gradient(loss, logits.float(), label)
    with torch.autocast('cpu', torch.bfloat16):
        value, gradient = value_and_gradient(loss, logits, label)
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    torch.testing.assert_close(value, wanted[0], rtol=0, atol=0)
    torch.testing.assert_close(gradient, wanted[1].to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize('channels', [1, 3])
def test_ignored_pixels_get_exactly_no_gradient(channels):
    logits, label = draw(channels, num_images=4)
    loss = LovaszLoss('binary' if channels == 1 else 'multi_class')
    value, gradient = value_and_gradient(loss, logits, label)
    ignored = (label == 255).unsqueeze(1).expand_as(logits)
    assert gradient[ignored].count_nonzero() == 0 and gradient[~ignored].count_nonzero() > 20
    assert loss(torch.where(ignored, 50.0, logits), label) == value
    elsewhere = torch.where(label == 255, 99, label)
    torch.testing.assert_close(loss(logits, elsewhere, ignore_index=99), value)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('per_image', [False, True])
def test_no_valid_pixel_gives_zero(channels, per_image):
    logits, label = draw(channels)
    loss = LovaszLoss('binary' if channels == 1 else 'multi_class', per_image=per_image)
    value, gradient = value_and_gradient(loss, logits, torch.full_like(label, 255))
    assert value.shape == () and value == 0 and gradient.count_nonzero() == 0
    if channels > 1:
        every = LovaszLoss(classes='all', per_image=per_image)
        value, gradient = value_and_gradient(every, logits, torch.full_like(label, 255))
        assert value == 0 and gradient.count_nonzero() == 0


def test_no_valid_pixel_is_nan_or_an_error_in_stock():
    logits, label = draw()
    nothing = torch.full_like(label, 255)
    stock = StockLovaszLoss(reduction='none')
    assert stock(logits, nothing).shape == (0, 4) and stock(logits, nothing).mean().isnan()
    label[0] = 255
    with pytest.raises(RuntimeError, match='equal size'):
        StockLovaszLoss(per_image=True)(logits, label)


@pytest.mark.parametrize('channels', [1, 3])
def test_an_image_without_valid_pixel_does_not_dilute_the_mean(channels):
    logits, label = draw(channels)
    label[0] = 255
    loss = LovaszLoss('binary' if channels == 1 else 'multi_class', per_image=True)
    assert loss(logits, label) == loss(logits[1:], label[1:]) > 0


def test_a_single_valid_pixel():
    logits, label = draw()
    label.fill_(255)[1, 2, 3] = 2
    with pytest.raises(IndexError):
        StockLovaszLoss(reduction='none')(logits, label)
    wrong = 1 - logits.softmax(1)[1, 2, 2, 3]
    torch.testing.assert_close(LovaszLoss()(logits, label), wrong)


def test_reduction_of_a_batch_needs_no_setting():
    logits, label = draw()
    with pytest.raises(AssertionError, match='reduction'):
        StockLovaszLoss()
    values = [LovaszLoss(reduction=each)(logits, label) for each in ('mean', 'none', 'sum')]
    assert values[0] == values[1] == values[2] and all(value.shape == () for value in values)
    torch.testing.assert_close(LovaszLoss()(logits, label, avg_factor=4), values[0] / 4)


def test_any_memory_layout():
    logits, label = draw()
    turned = logits.transpose(2, 3), label.transpose(1, 2)
    with pytest.raises(RuntimeError, match='view'):
        StockLovaszLoss(reduction='none')(*turned)
    torch.testing.assert_close(LovaszLoss()(*turned), LovaszLoss()(logits, label))


def test_float64():
    logits, label = draw(dtype=torch.float64)
    with pytest.raises(RuntimeError, match='same dtype'):
        StockLovaszLoss(reduction='none')(logits, label)
    assert LovaszLoss()(logits, label).dtype == torch.float64


def test_what_has_no_effect_in_stock_is_refused():
    logits, label = draw()
    stock = StockLovaszLoss(reduction='none')
    weight = torch.rand(label.shape)
    assert stock(logits, label, weight=weight) == stock(logits, label)
    with pytest.raises(ValueError, match='LovaszLoss cannot weigh pixels'):
        LovaszLoss()(logits, label, weight=weight)
    logits, label = draw(1)
    stock = [StockLovaszLoss('binary', reduction='none', class_weight=w) for w in (None, [1, 9])]
    assert stock[0](logits, label) == stock[1](logits, label)
    with pytest.raises(ValueError, match='class_weight have no effect'):
        LovaszLoss('binary', class_weight=[1, 9])
    with pytest.raises(ValueError, match='classes and'):
        LovaszLoss('binary', classes='all')


def test_labels_outside_the_classes():
    logits, label = draw(ignored=0)
    label[0, 0, 0] = 7
    assert StockLovaszLoss(reduction='none')(logits, label).isfinite()
    with pytest.raises(ValueError, match='label 7: the network has 4 classes'):
        LovaszLoss()(logits, label)
    with pytest.raises(ValueError, match='label 3: the network has 2 classes'):
        LovaszLoss('binary')(logits[:, :1], label.clamp(max=3))


def test_channels_that_do_not_fit():
    logits, label = draw(ignored=0)
    with pytest.raises(ValueError, match="4 channels.*'binary'"):
        LovaszLoss('binary')(logits, label)
    for classes in ('all', 'present'):
        with pytest.raises(ValueError, match='only with 1 class'):
            StockLovaszLoss(classes=classes, reduction='none')(logits[:, :1], label % 2)
        with pytest.raises(ValueError, match="1 channels.*'binary'"):
            LovaszLoss(classes=classes)(logits[:, :1], label % 2)
    with pytest.raises(ValueError, match='classes=.*9'):
        LovaszLoss(classes=[0, 9])(logits, label)
    with pytest.raises(ValueError, match='class_weight has 2 values'):
        LovaszLoss(class_weight=[1, 2])(logits, label)
    with pytest.raises(ValueError, match='upsample them first'):
        LovaszLoss()(logits[:, :, ::2], label)


@pytest.mark.parametrize('classes', ['some', [], [-1], [1, 1]])
def test_refuses_classes(classes):
    with pytest.raises(ValueError, match='classes is'):
        LovaszLoss(classes=classes)


def test_refuses_other_settings():
    with pytest.raises(ValueError, match='loss_type'):
        LovaszLoss('multiclass')
    with pytest.raises(ValueError, match='reduction'):
        LovaszLoss(reduction='average')
    logits, label = draw()
    with pytest.raises(ValueError, match='avg_factor'):
        LovaszLoss(reduction='sum', per_image=True)(logits, label, avg_factor=2)


def head(kind, **kwargs):
    torch.manual_seed(0)
    losses = [
        dict(type='mmseg_ext.CrossEntropyLoss'),
        dict(type='mmseg_ext.LovaszLoss', loss_weight=0.5),
    ]
    settings = dict(in_channels=8, channels=8, num_classes=4, num_convs=1, norm_cfg=dict(type='BN'))
    return kind(**settings, loss_decode=losses, **kwargs)


def samples(label):
    made = []
    for each in label:
        made.append(SegDataSample(gt_sem_seg=PixelData(data=each[None])))
    return made


def test_heads_train_it_with_the_same_result():
    logits, label = draw(size=(8, 8))
    with pytest.warns(UserWarning, match='upsamples all logits.*for LovaszLoss'):
        low_memory = head(MODELS.get('FCNHead'))
    found = low_memory.loss_by_feat(logits[:, :, ::2, ::2], samples(label))
    stock = head(FCNHead).loss_by_feat(logits[:, :, ::2, ::2], samples(label))
    assert found.keys() == stock.keys() == {'loss_ce', 'loss_lovasz', 'acc_seg'}
    torch.testing.assert_close(found, stock)


def test_a_sampler_is_refused_by_name():
    logits, label = draw(size=(8, 8))
    sampled = head(FCNHead, sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=4))
    with pytest.raises(ValueError, match='sampler.*OHEMLoss'):
        sampled.loss_by_feat(logits, samples(label))
