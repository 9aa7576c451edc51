import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.decode_heads import PIDHead
from mmseg.models.losses import BoundaryLoss as StockBoundaryLoss
from mmseg.structures import SegDataSample

from mmseg_ext.losses import BoundaryLoss


def draw(size=(5, 6), ignored=0.3, boundary=0.3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 1, *size, generator=generator, dtype=dtype) * 3
    label = (torch.rand((2, *size), generator=generator) < boundary).long()
    label[torch.rand(label.shape, generator=generator) < ignored] = 255
    return logits, label


def value_and_gradient(loss, logits, label, **kwargs):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, label, **kwargs)
    value.sum().backward()
    return value.detach(), logits.grad


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(0, 2**31),
)
def test_equals_stock_up_to_what_it_divides_by(size, ignored, boundary, seed):
    logits, label = draw(size, ignored, boundary, seed)
    stock = value_and_gradient(StockBoundaryLoss(20.0), logits, label)
    over_all = BoundaryLoss(avg_non_ignore=False, loss_weight=20.0)
    torch.testing.assert_close(value_and_gradient(over_all, logits, label), stock)
    ours = value_and_gradient(BoundaryLoss(loss_weight=20.0), logits, label)
    factor = label.numel() / (label != 255).sum().clamp(min=1)
    torch.testing.assert_close(ours, (stock[0] * factor, stock[1] * factor))


def test_equals_the_formula():
    logits, label = draw(dtype=torch.float64)
    p, valid = logits.squeeze(1).sigmoid(), label != 255
    share = (label == 1).sum() / valid.sum()
    by_hand = torch.where(label == 1, -(1 - share) * p.log(), -share * (1 - p).log())
    by_hand = torch.where(valid, by_hand, 0)
    torch.testing.assert_close(BoundaryLoss()(logits, label), by_hand.sum() / valid.sum())
    torch.testing.assert_close(BoundaryLoss(reduction='none')(logits, label), by_hand)
    overridden = BoundaryLoss()(logits, label, reduction_override='sum')
    torch.testing.assert_close(overridden, by_hand.sum())
    weight = torch.rand(label.shape, dtype=torch.float64)
    weighted = BoundaryLoss(loss_weight=3.0)(logits, label, weight=weight, avg_factor=7)
    torch.testing.assert_close(weighted, 3 * (by_hand * weight).sum() / 7)


def test_gradcheck():
    logits, label = draw((3, 4), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: BoundaryLoss()(z, label), logits.requires_grad_())


def test_no_valid_pixel_gives_zero():
    logits, label = draw(ignored=1.0)
    value, gradient = value_and_gradient(BoundaryLoss(), logits, label)
    assert value == 0 and gradient.count_nonzero() == 0


def test_ignored_pixels_get_exactly_no_gradient():
    logits, label = draw()
    value, gradient = value_and_gradient(BoundaryLoss(), logits, label)
    ignored = (label == 255).unsqueeze(1)
    assert gradient[ignored].count_nonzero() == 0 and gradient[~ignored].all()
    broken = torch.where(ignored, torch.inf, logits)
    assert StockBoundaryLoss()(broken, label).isnan()
    torch.testing.assert_close(value_and_gradient(BoundaryLoss(), broken, label), (value, gradient))
    elsewhere = torch.where(label == 255, 9, label)
    torch.testing.assert_close(BoundaryLoss()(logits, elsewhere, ignore_index=9), value)


def test_without_a_boundary_there_is_nothing_to_balance():
    logits, label = draw(ignored=0, boundary=0)
    assert BoundaryLoss()(logits, label) == StockBoundaryLoss()(logits, label) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits, label = draw((64, 64))
    logits = (logits * 20).to(dtype)
    wanted = value_and_gradient(BoundaryLoss(), logits.float(), label)
    with torch.autocast('cpu', torch.bfloat16):
        value, gradient = value_and_gradient(BoundaryLoss(), logits, label)
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    torch.testing.assert_close(value, wanted[0], rtol=0, atol=0)
    torch.testing.assert_close(gradient, wanted[1].to(dtype), rtol=0, atol=0)


def test_labels_other_than_0_and_1_are_refused():
    logits, label = draw()
    assert StockBoundaryLoss()(logits, torch.where(label == 1, 2, label)) == 0
    with pytest.raises(ValueError, match='label 2: the network has 2 classes'):
        BoundaryLoss()(logits, torch.where(label == 1, 2, label))
    with pytest.raises(ValueError, match='label 255'):
        BoundaryLoss()(logits, label, ignore_index=None)


def test_refuses_what_does_not_fit():
    logits, label = draw()
    with pytest.raises(ValueError, match='one channel, got 2'):
        BoundaryLoss()(logits.expand(-1, 2, -1, -1), label)
    with pytest.raises(ValueError, match='upsample them first'):
        BoundaryLoss()(logits[:, :, ::2], label)
    with pytest.raises(ValueError, match='weight is one number a pixel'):
        BoundaryLoss()(logits, label, weight=torch.ones(2))
    with pytest.raises(ValueError, match='avg_factor'):
        BoundaryLoss(reduction='sum')(logits, label, avg_factor=2)
    with pytest.raises(ValueError, match='reduction'):
        BoundaryLoss(reduction='average')


def pid_losses(boundary_type, **kwargs):
    """``loss_bd`` and the gradient of PIDNet's head on random features."""
    torch.manual_seed(0)
    others = [
        dict(type='CrossEntropyLoss', loss_weight=0.4),
        dict(type='OhemCrossEntropy', thres=0.9, min_kept=30),
        dict(type='OhemCrossEntropy', thres=0.9, min_kept=30),
    ]
    boundary = dict(type=boundary_type, loss_weight=20.0, **kwargs)
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = PIDHead(
            in_channels=16,
            channels=8,
            num_classes=5,
            norm_cfg=dict(type='BN'),
            align_corners=True,
            loss_decode=[*others[:2], boundary, *others[2:]],
        )
    features = [torch.randn(2, channels, 4, 4) for channels in (8, 16, 8)]
    samples = []
    for edge in draw((16, 16))[1]:
        fields = dict(gt_edge_map=edge, gt_sem_seg=torch.randint(0, 5, (16, 16)))
        made = {name: PixelData(data=data[None]) for name, data in fields.items()}
        samples.append(SegDataSample(**made))
    losses = head.loss_by_feat(head(features), samples)
    losses['loss_bd'].backward()
    return losses['loss_bd'].detach(), head.d_head.conv.conv.weight.grad


def test_trains_pidnets_head():
    stock = pid_losses('BoundaryLoss')
    torch.testing.assert_close(pid_losses('mmseg_ext.BoundaryLoss', avg_non_ignore=False), stock)
    ours = pid_losses('mmseg_ext.BoundaryLoss')
    label = draw((16, 16))[1]
    torch.testing.assert_close(ours[0], stock[0] * label.numel() / (label != 255).sum())
    assert ours[1].count_nonzero() > 0
