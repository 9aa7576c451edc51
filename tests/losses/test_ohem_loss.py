"""OHEMLoss against MMSegmentation's OHEMPixelSampler, and against formulas written out."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import DefaultScope
from mmseg.models.losses import CrossEntropyLoss as StockCrossEntropyLoss
from mmseg.structures import OHEMPixelSampler

from mmseg_ext.losses import DiceLoss, OHEMLoss

pytestmark = pytest.mark.filterwarnings('ignore:Default ``avg_non_ignore`` is False')
CE = dict(type='mmseg_ext.CrossEntropyLoss')
WEIGHTED_CE = dict(CE, class_weight=[0.5, 1.0, 3.0, 2.0], loss_weight=0.4)
FOCAL = dict(type='mmseg_ext.FocalLoss', alpha=0.25, loss_weight=1.7)
DICE = dict(type='mmseg_ext.DiceLoss', loss_weight=0.6)
FOCAL_DICE = dict(type='mmseg_ext.FocalDiceLoss', focal_weight=1.7, alpha=0.25, dice_weight=0.6)


def make_batch(seed=0, size=(11, 13), ignored=0.2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn((2, 4, *size), generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, *size), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < ignored] = 255
    return logits.to(dtype).requires_grad_(), labels


def value_and_gradient(loss, logits):
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
    return loss.detach(), gradient


def assert_same(got, want, logits):
    got, want = value_and_gradient(got, logits), value_and_gradient(want, logits)
    assert want[1].abs().max() > 1e-5
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def cross_entropies(logits, labels, class_weight=None, factor=1.0):
    weight = None if class_weight is None else logits.new_tensor(class_weight)
    return factor * F.cross_entropy(logits, labels, weight, ignore_index=255, reduction='none')


def focal_losses(logits, labels, alpha=0.25, factor=1.7):
    """Of each pixel, gamma 2: the sum over classes, as the paper has it for each."""
    own = F.one_hot(torch.where(labels == 255, 0, labels), 4).permute(0, 3, 1, 2)
    p = logits.sigmoid()
    at_own, at_other = -alpha * (1 - p) ** 2 * p.log(), -(1 - alpha) * p**2 * (1 - p).log()
    return factor * torch.where(own == 1, at_own, at_other).sum(1) * (labels != 255)


def hardest(ranks, labels, count=0, above=math.inf):
    """The valid pixels above a loss, and at least so many, by sorting."""
    valid = labels != 255
    order = torch.where(valid, ranks.detach(), -math.inf).flatten().argsort(descending=True)
    kept = torch.zeros(labels.numel(), dtype=torch.bool)
    kept[order[:count]] = True
    return (kept.view_as(labels) | (ranks > above)) & valid


def mean_over(losses, kept):
    return (losses * kept).sum() / kept.sum()


@pytest.mark.parametrize('avg_non_ignore', [False, True])
@pytest.mark.parametrize(
    ('thresh', 'min_kept'), [(None, 40), (None, 3), (0.7, 2), (0.05, 40), (0.3, 60), (0.9, 100)]
)
def test_cross_entropy_equals_the_stock_sampler(thresh, min_kept, avg_non_ignore):
    logits, labels = make_batch()
    stock = StockCrossEntropyLoss()
    context = SimpleNamespace(ignore_index=255, loss_decode=stock)
    kept = OHEMPixelSampler(context, thresh, min_kept).sample(logits, labels[:, None])
    assert 2 * min_kept <= kept.sum() < (labels != 255).sum()
    # the stock mean is over all pixels, ours over those that are kept unless it is told
    total = stock(logits, labels, weight=kept, ignore_index=255, reduction_override='sum')
    want = total / (kept.sum() if avg_non_ignore else kept.numel())
    min_loss = None if thresh is None else -math.log(thresh)
    ours = OHEMLoss(dict(CE, avg_non_ignore=avg_non_ignore), min_kept, min_loss)
    assert_same(ours(logits, labels), want, logits)


@pytest.mark.parametrize(
    ('settings', 'limits'),
    [
        (dict(min_kept=20), dict(count=40)),
        (dict(min_loss=2.5), dict(above=2.5)),
        (dict(min_kept=20, min_loss=2.5), dict(count=40, above=2.5)),
        (dict(min_kept=90, min_loss=2.5), dict(count=180, above=2.5)),
    ],
)
@pytest.mark.parametrize('align_corners', [None, False, True])
def test_any_mixture_equals_formulas_written_out(settings, limits, align_corners):
    logits, labels = make_batch(seed=1)
    upsampled = logits
    if align_corners is not None:
        labels = make_batch(seed=1, size=(17, 29))[1]
        upsampled = F.interpolate(
            logits, labels.shape[1:], mode='bilinear', align_corners=align_corners
        )
    ce, focal = cross_entropies(upsampled, labels), focal_losses(upsampled, labels)
    dice = DiceLoss(loss_weight=0.6)(upsampled, labels)
    for losses, rank_by, ranks, of_pixels, of_regions in [
        (CE, None, ce, [ce], 0),
        (FOCAL, None, focal, [focal], 0),
        ([CE, FOCAL], None, ce + focal, [ce, focal], 0),
        ([DICE, CE], None, ce, [ce], dice),
        (FOCAL_DICE, None, focal, [focal], dice),
        ([FOCAL_DICE, CE], None, ce + focal, [ce, focal], dice),
        (FOCAL, CE, ce, [focal], 0),
        ([CE, DICE], FOCAL_DICE, focal, [ce], dice),
    ]:
        ours = OHEMLoss(losses, rank_by=rank_by, **settings)
        kept = hardest(ranks, labels, **limits)
        want = sum(mean_over(each, kept) for each in of_pixels) + of_regions
        assert_same(ours(logits, labels, align_corners=align_corners), want, logits)


def test_weights_of_losses_count_in_the_ranking_and_not_in_the_mean():
    logits, labels = make_batch(seed=2)
    weights = logits.new_tensor(WEIGHTED_CE['class_weight'])
    ranks = cross_entropies(logits, labels, WEIGHTED_CE['class_weight'], 0.4)
    kept = hardest(ranks, labels, count=40)
    assert (kept != hardest(cross_entropies(logits, labels), labels, count=40)).any()
    want = (ranks * kept).sum() / weights[labels[kept]].sum()
    assert_same(OHEMLoss(WEIGHTED_CE, min_kept=20)(logits, labels), want, logits)


def test_the_hardest_of_the_batch_may_lie_in_one_image():
    logits, labels = make_batch(ignored=0)
    easy = torch.stack([30.0 * F.one_hot(labels[0], 4).permute(2, 0, 1), logits[1].detach()])
    found = OHEMLoss(CE, min_kept=10, reduction='none')(easy, labels)
    assert (found[0] == 0).all() and (found[1] > 0).sum() == 20


@pytest.mark.parametrize('factor', [0.6, 100.0])
def test_dice_is_trained_everywhere_and_takes_no_part_in_the_ranking(factor):
    logits, labels = make_batch(seed=3)
    alone = OHEMLoss(CE, min_kept=5)
    both = OHEMLoss([CE, dict(DICE, loss_weight=factor)], min_kept=5)
    with_dice, _, _ = both.terms(logits, labels)
    without, _, _ = alone.terms(logits, labels)
    assert_same(with_dice['loss_ce'], without['loss_ce'], logits)
    assert_same(with_dice['loss_dice'], DiceLoss(loss_weight=factor)(logits, labels), logits)
    _, gradient = value_and_gradient(both(logits, labels), logits)
    assert (gradient.abs().amax(1) > 0).equal(labels != 255)


def test_losses_of_one_name_are_added():
    logits, labels = make_batch()
    terms, _, _ = OHEMLoss([CE, dict(CE, loss_weight=0.5)], min_kept=5).terms(logits, labels)
    assert list(terms) == ['loss_ce']
    assert_same(terms['loss_ce'], 1.5 * OHEMLoss(CE, min_kept=5)(logits, labels), logits)


@pytest.mark.parametrize('losses', [CE, [CE, FOCAL], FOCAL])
def test_ignored_pixels_are_never_chosen(losses):
    logits, labels = make_batch(ignored=0.9)
    assert (labels != 255).sum() < 100
    kept = OHEMLoss(losses, min_kept=50, reduction='none')(logits, labels)
    assert (kept > 0).equal(labels != 255)
    _, gradient = value_and_gradient(OHEMLoss(losses, min_kept=50)(logits, labels), logits)
    assert (gradient.abs().amax(1) > 0).equal(labels != 255)


def test_of_equal_losses_so_many_are_kept():
    labels = torch.zeros(2, 11, 13, dtype=torch.long)
    labels[:, 3:5] = 255
    found = OHEMLoss(CE, min_kept=7, reduction='none')(torch.zeros(2, 4, 11, 13), labels)
    assert (found > 0).sum() == 14 and (found[:, 3:5] == 0).all()
    torch.testing.assert_close(found.sum() / 14, torch.tensor(4.0).log())
    # what is not above the limit is not kept
    above = OHEMLoss(CE, min_loss=0.5, reduction='none')(torch.zeros(2, 2, 11, 13), labels)
    assert (above > 0).equal(labels != 255)
    at = OHEMLoss(FOCAL, min_loss=1e3)(torch.zeros(2, 4, 11, 13), labels)
    assert at == 0


@pytest.mark.parametrize('losses', [CE, WEIGHTED_CE, FOCAL, [CE, DICE], [FOCAL_DICE, CE]])
@pytest.mark.parametrize('settings', [dict(min_kept=5), dict(min_loss=0.5)])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_without_a_valid_pixel_it_is_0(losses, settings, reduction):
    logits, labels = make_batch(ignored=1)
    loss = OHEMLoss(losses, **settings)(logits, labels, reduction_override=reduction)
    value, gradient = value_and_gradient(loss, logits)
    assert value == 0 and gradient.abs().max() == 0


def test_reductions():
    logits, labels = make_batch()
    losses = cross_entropies(logits, labels)
    kept = hardest(losses, labels, count=40)
    none = OHEMLoss(CE, min_kept=20, reduction='none')(logits, labels)
    torch.testing.assert_close(none, losses * kept)
    ours = OHEMLoss(CE, min_kept=20)
    assert_same(ours(logits, labels, reduction_override='sum'), (losses * kept).sum(), logits)
    assert_same(ours(logits, labels, avg_factor=7), (losses * kept).sum() / 7, logits)
    weight = torch.rand(labels.shape, dtype=torch.float64)
    want = mean_over(losses * weight, kept)
    assert_same(ours(logits, labels, weight=weight), want, logits)


@pytest.mark.parametrize('losses', [[CE, DICE], [CE, FOCAL_DICE], FOCAL_DICE])
def test_regions_have_no_pixels_to_return(losses):
    with pytest.raises(ValueError, match="reduction='none'"):
        OHEMLoss(losses, min_kept=5)(*make_batch(), reduction_override='none')


@pytest.mark.parametrize(
    ('losses', 'settings', 'message'),
    [
        (CE, {}, 'keeps every pixel without min_kept or min_loss'),
        (CE, dict(min_kept=0), 'at least 1, got 0'),
        (CE, dict(min_loss=0), 'min_loss=0 keeps every pixel'),
        (CE, dict(min_loss=-1.0), 'min_loss=-1.0 keeps every pixel'),
        (DICE, dict(min_kept=5), 'no loss of pixels'),
        ([DICE, DICE], dict(min_loss=0.5, rank_by=CE), 'no loss of pixels'),
        ([], dict(min_kept=5), 'no loss of pixels'),
        (CE, dict(min_kept=5, rank_by=DICE), r'rank_by=mmseg_ext\.DiceLoss is no loss of pixels'),
        (dict(type='mmseg.CrossEntropyLoss'), dict(min_kept=5), r'got mmseg\.CrossEntropyLoss'),
        ([CE, dict(type='CrossEntropyLoss')], dict(min_kept=5), r'got CrossEntropyLoss: put mmse'),
        (dict(type='mmseg_ext.OHEMLoss', losses=CE, min_kept=5), dict(min_kept=5), 'OHEMLoss wr'),
        (CE, dict(min_kept=5, reduction='average'), "'average'"),
    ],
)
def test_settings_that_are_wrong_are_named(losses, settings, message):
    with DefaultScope.overwrite_default_scope('mmseg'), pytest.raises(ValueError, match=message):
        OHEMLoss(losses, **settings)


def test_as_many_pixels_as_an_image_has_are_not_hard_ones():
    for min_kept in (11 * 13, 100_000):
        with pytest.raises(ValueError, match=f'min_kept={min_kept} keeps every pixel of 11x13'):
            OHEMLoss(CE, min_kept=min_kept)(*make_batch())
    assert OHEMLoss(CE, min_kept=11 * 13 - 1)(*make_batch()) > 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('losses', [CE, [CE, FOCAL], [FOCAL_DICE, CE]])
def test_half_precision_ranks_and_trains_as_float64_does(losses, dtype):
    ours = OHEMLoss(losses, min_kept=20)
    exact = (15 * make_batch(seed=4)[0].detach()).clamp(-60, 60).to(dtype).requires_grad_()
    labels = make_batch(seed=4)[1]
    doubles = exact.detach().double().requires_grad_()
    value, gradient = value_and_gradient(ours(exact, labels), exact)
    wanted, wanted_gradient = value_and_gradient(ours(doubles, labels), doubles)
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    torch.testing.assert_close(value.double(), wanted, rtol=1e-6, atol=0)
    assert (gradient - wanted_gradient).norm() < 0.01 * wanted_gradient.norm()


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3).filter(lambda shape: math.prod(shape[1:]) > 1),
    min_kept=st.none() | st.integers(1, 35),
    min_loss=st.none() | st.floats(0.1, 3),
    levels=st.integers(1, 40),
    ignored=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_what_is_kept_is_harder_than_what_is_not(shape, min_kept, min_loss, levels, ignored, seed):
    num_pixels = math.prod(shape[1:])
    min_kept = min(min_kept, num_pixels - 1) if min_kept else min_kept
    if min_kept is None and min_loss is None:
        return
    generator = torch.Generator().manual_seed(seed)
    losses = torch.randint(0, levels, shape, generator=generator) / 10  # few levels: many ties
    valid = torch.rand(shape, generator=generator) >= ignored
    kept = OHEMLoss(CE, min_kept, min_loss).choose(losses, valid)
    assert not (kept & ~valid).any()
    hard = int((valid & (losses > min_loss)).sum()) if min_loss else 0
    assert kept.sum() == max(hard, min((min_kept or 0) * shape[0], int(valid.sum())))
    if kept.any() and (valid & ~kept).any():
        assert losses[kept].min() >= losses[valid & ~kept].max()


def test_refuses_a_reduction_that_it_would_not_use():
    with pytest.raises(ValueError, match="reduction='sum'.*inside OHEMLoss"):
        OHEMLoss(dict(type='mmseg_ext.CrossEntropyLoss', reduction='sum'), min_loss=0.1)
