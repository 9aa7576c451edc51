import itertools

import loss_formulas
import pytest
import torch
from loss_inputs import LOSSES, SIGMOID, assert_same, value_and_gradient

from mmseg_ext.losses import CrossEntropyLoss, DiceLoss, FocalLoss

SCALE = 2.0**16
# what half precision rounds to 0, and its relative step
LEAST = {torch.float16: 2.0**-24, torch.bfloat16: 0.0, torch.float32: 0.0}
NAMES = sorted(LOSSES)


def random_batch(number, dtype):
    """Logits in [-60, 60] and labels, at least 16 of them valid, some of them right."""
    draw = torch.Generator().manual_seed(number)
    num_images, num_channels, side, factor, kind = (
        torch.randint(low, high, (), generator=draw).item()
        for low, high in [(1, 3), (2, 12), (4, 7), (1, 3), (0, 3)]
    )
    shape = num_images, num_channels, side, side
    logits = torch.rand(shape, generator=draw) * 120 - 60
    labels = torch.randint(0, num_channels, (num_images, side, side), generator=draw)
    if kind == 1:  # right nearly everywhere, by a margin of 0 to 15
        logits = logits / 10 + 40
        margin = 15 * torch.rand(num_images, 1, side, side, generator=draw)
        highest = logits.amax(1, keepdim=True)
        logits.scatter_(1, labels.unsqueeze(1), highest + margin).clamp_(max=60)
    elif kind == 2:
        logits = logits / 20
    labels = labels.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    ignored = torch.rand(labels.shape, generator=draw) < 0.5
    ignored.view(-1)[torch.randperm(labels.numel(), generator=draw)[:16]] = False
    return logits.to(dtype), labels.masked_fill(ignored, 255)


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_random_batches_are_finite_and_near_float64(dtype, autocast):
    numbers = range(250) if autocast else range(250, 500)
    furthest = 0
    for number, name in zip(numbers, itertools.cycle(NAMES), strict=False):
        logits, labels = random_batch(number, dtype)
        with torch.autocast('cpu', dtype=dtype, enabled=autocast):
            value, gradient = value_and_gradient(
                LOSSES[name], logits, labels, scale=SCALE, align_corners=False
            )
        want, wanted = value_and_gradient(
            LOSSES[name], logits.double(), labels, scale=SCALE, align_corners=False
        )
        assert value.dtype == torch.float32
        assert gradient.dtype == dtype
        assert value.isfinite(), (number, name)
        assert gradient.isfinite().all(), (number, name)
        torch.testing.assert_close(value.double(), want, rtol=1e-5, atol=1e-6)
        off = (gradient.double() - wanted).norm() - LEAST[dtype] * gradient.numel() ** 0.5
        assert off <= 0.01 * wanted.norm(), (number, name, off / wanted.norm())
        furthest = max(furthest, (off / wanted.norm().clamp(min=1e-30)).item())
    print(f'{dtype}, autocast={autocast}: gradients within {furthest:.2%} of float64')


@pytest.mark.parametrize('name', LOSSES)
def test_a_network_under_autocast_has_its_loss_in_float32(name):
    network = torch.nn.Conv2d(3, 4, 1)
    image = torch.linspace(-2, 2, 2 * 3 * 36).view(2, 3, 6, 6)
    labels = torch.arange(72).view(2, 6, 6) % 4
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = network(image)
        assert logits.dtype == torch.bfloat16
        loss = LOSSES[name](logits, labels)
    assert loss.dtype == torch.float32
    loss.backward()
    wanted = LOSSES[name](logits.detach().double(), labels)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert network.weight.grad.isfinite().all()
    assert network.weight.grad.any()


FORMULAS = [
    (FocalLoss, loss_formulas.focal, dict(gamma=gamma, use_sigmoid=use_sigmoid))
    for gamma in (0, 0.5, 1, 2, 3.5)
    for use_sigmoid in (True, False)
] + [
    (DiceLoss, loss_formulas.dice, dict()),
    (DiceLoss, loss_formulas.dice, dict(use_sigmoid=False, naive_dice=True)),
    (CrossEntropyLoss, loss_formulas.cross_entropy, dict(use_sigmoid=True)),
    (CrossEntropyLoss, loss_formulas.cross_entropy, dict()),
    (CrossEntropyLoss, loss_formulas.cross_entropy, dict(label_smoothing=0.1)),
]


@pytest.mark.parametrize(('loss', 'formula', 'settings'), FORMULAS)
@pytest.mark.parametrize('extreme', [17.0, 90.0, 200.0, 1e4])
def test_logits_far_out_have_the_loss_they_should(extreme, loss, formula, settings):
    signs = torch.tensor([[1, -1, -1], [-1, 1, -1], [1, 1, -1], [-1, -1, -1]])
    logits = (extreme * signs.t()).view(1, 3, 2, 2)
    labels = torch.tensor([[[0, 2], [1, 0]]])
    value, gradient = value_and_gradient(loss(**settings), logits, labels)
    want, wanted = value_and_gradient(formula, logits.double(), labels, **settings)
    assert value.item() == pytest.approx(want.item(), rel=2e-6)
    torch.testing.assert_close(gradient.double(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('name', sorted(set(LOSSES) - set(SIGMOID)))
def test_pixels_that_are_right_by_far_keep_their_small_gradient(name):
    # 1 - p is 1e-5 here, where logits are 4e-6 apart; as p - 1 a sixth of the gradient was lost
    draw = torch.Generator().manual_seed(0)
    logits = 45 + 2 * torch.rand(1, 4, 16, 16, generator=draw)
    labels = torch.randint(0, 4, (1, 16, 16), generator=draw)
    logits.scatter_(1, labels.unsqueeze(1), 59 + torch.rand(1, 1, 16, 16, generator=draw))
    found = value_and_gradient(LOSSES[name], logits, labels)
    wanted = value_and_gradient(LOSSES[name], logits.double(), labels)
    # a squared dice is a small difference of sums by nature
    assert_same((found[0] * 0, found[1]), (wanted[0] * 0, wanted[1]), rtol=5e-3)
    if 'dice' not in name:
        assert_same(found, wanted, rtol=1e-6)


@pytest.mark.parametrize('loss', [CrossEntropyLoss(True), FocalLoss(gamma=0.5)])
@pytest.mark.parametrize('extreme', [12.0, 18.0, 30.0])
def test_sigmoids_that_are_right_by_far_keep_their_small_loss(extreme, loss):
    labels = torch.arange(12).view(1, 3, 4) % 3
    truth = torch.nn.functional.one_hot(labels, 3).movedim(3, 1)
    found = value_and_gradient(loss, extreme * (2.0 * truth - 1), labels)
    wanted = value_and_gradient(loss, extreme * (2.0 * truth.double() - 1), labels)
    # times a large number, or the comparison's absolute tolerance would cover all
    assert_same((found[0] * 1e9, found[1] * 1e9), (wanted[0] * 1e9, wanted[1] * 1e9), rtol=1e-6)


@pytest.mark.parametrize('gamma', [0, 0.5, 1, 2, 3.5])
@pytest.mark.parametrize('least', [6, 8, 10, 12, 14, 15, 30])
def test_sure_and_right_everywhere_keeps_the_gradient_in_float32(least, gamma):
    """What is left then is p^gamma of many small p: absolute errors of 6e-8 would be all of it."""
    draw = torch.Generator().manual_seed(least)
    labels = torch.randint(0, 10, (1, 8, 8), generator=draw)
    logits = -least - 2 * torch.rand(1, 10, 8, 8, generator=draw)
    logits.scatter_(1, labels.unsqueeze(1), -logits.gather(1, labels.unsqueeze(1)))
    loss = FocalLoss(gamma=gamma)
    want = value_and_gradient(loss, logits.double(), labels)
    assert_same(value_and_gradient(loss, logits, labels), want, rtol=1e-3)
