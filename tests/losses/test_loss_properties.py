import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_inputs import LOSSES, SIGMOID, assert_same, batch, value_and_gradient

from mmseg_ext.losses import CrossEntropyLoss, DiceLoss, FocalLoss, blocks

PRECISION = {torch.float64: 1e-10, torch.float32: 3e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@st.composite
def batches(draw, dtypes=tuple(PRECISION), min_images=1):
    """A loss, logits, labels."""
    num_channels = draw(st.integers(1, 6) | st.integers(1, 150))
    name = draw(st.sampled_from(sorted(SIGMOID if num_channels == 1 else LOSSES)))
    lengths = st.integers(1, 6)
    shape = draw(st.integers(min_images, 3)), num_channels, draw(lengths), draw(lengths)
    logits, labels = batch(
        draw(st.integers(0, 10**6)),
        shape,
        draw(st.none() | st.tuples(st.integers(1, 13), st.integers(1, 13))),
        draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])),
        draw(st.sampled_from(dtypes)),
    )
    return LOSSES[name], logits, labels


def some(max_examples=60):
    return settings(deadline=None, max_examples=max_examples)


@some(100)
@given(batches(), st.booleans(), st.integers(1, 2000), st.integers(1, 2000))
def test_any_batch_in_any_blocks_is_the_float64_batch_in_one(inputs, align_corners, one, other):
    loss, logits, labels = inputs
    whole = value_and_gradient(loss, logits.double(), labels, align_corners=align_corners)
    with pytest.MonkeyPatch.context() as patch:
        for elements in (one, other):
            patch.setitem(blocks.BLOCK_ELEMENTS, 'cpu', elements)
            found = value_and_gradient(loss, logits, labels, align_corners=align_corners)
            wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
            assert found[0].dtype == wide
            assert found[1].dtype == logits.dtype
            rtol = PRECISION[logits.dtype]
            torch.testing.assert_close(found[0].double(), whole[0], rtol=1e-5, atol=1e-7)
            off = (found[1].double() - whole[1]).norm()
            # half precision has no number between 0 and 6e-8
            least = 1e-7 * logits.numel() ** 0.5 if rtol > 1e-4 else 1e-9
            assert off <= rtol * whole[1].norm() + least


@some()
@given(batches())
def test_ignored_pixels_get_exactly_no_gradient(inputs):
    loss, logits, labels = inputs
    labels = labels[:, : logits.shape[2], : logits.shape[3]]
    logits = logits[:, :, : labels.shape[1], : labels.shape[2]]
    _, gradient = value_and_gradient(loss, logits, labels)
    assert gradient.isfinite().all()
    assert not gradient.movedim(1, 3)[labels == 255].any()


@some()
@given(batches(), st.booleans(), st.randoms())
def test_logits_under_ignored_pixels_alone_do_not_count(inputs, align_corners, random):
    loss, logits, labels = inputs
    # of the type that is computed in: in float32 a weight of 0 may be 1e-8
    low = torch.zeros(logits.shape[2:], dtype=blocks.computing_like(logits).dtype)
    row, column = (random.randrange(length) for length in low.shape)
    low[row, column] = 1
    touched = F.interpolate(
        low[None, None], labels.shape[1:], mode='bilinear', align_corners=align_corners
    )
    labels = labels.masked_fill(touched[0, 0] > 0, 255)
    changed = logits.clone()
    changed[:, :, row, column] = 17
    found, other = (
        value_and_gradient(loss, each, labels, align_corners=align_corners)
        for each in (logits, changed)
    )
    assert torch.equal(found[0], other[0])
    assert torch.equal(found[1], other[1])
    assert not found[1][:, :, row, column].any()


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('label_size', [(4, 5), (9, 7)])
@pytest.mark.parametrize('name', LOSSES)
def test_a_batch_without_a_valid_pixel_is_exactly_nothing(name, label_size, reduction):
    inputs = batch(0, label_size=label_size, ignored=1.0, dtype=torch.float32, spread=30)
    value, gradient = value_and_gradient(
        LOSSES[name], *inputs, reduction_override=reduction, align_corners=False
    )
    assert value == 0
    assert not gradient.any()


@some()
@given(batches(dtypes=[torch.float64], min_images=2))
def test_the_order_of_images_does_not_matter(inputs):
    loss, logits, labels = inputs
    value, gradient = value_and_gradient(loss, logits, labels, align_corners=True)
    turned = value_and_gradient(loss, logits.flip(0), labels.flip(0), align_corners=True)
    assert_same((turned[0], turned[1].flip(0)), (value, gradient))


@some(30)
@given(batches(dtypes=[torch.float64]))
def test_any_layout_in_memory_gives_the_same(inputs):
    loss, logits, labels = inputs
    value, gradient = value_and_gradient(loss, logits, labels, align_corners=False)
    padded = F.pad(logits, (1, 2, 0, 1, 2, 0))
    for each in (
        logits.contiguous(memory_format=torch.channels_last),
        logits.transpose(2, 3).contiguous().transpose(2, 3),
        padded[:, 2:, :-1, 1:-2],
        logits.repeat_interleave(2, 3)[..., ::2],
    ):
        turned = labels.transpose(1, 2).contiguous().transpose(1, 2)
        assert_same(value_and_gradient(loss, each, turned, align_corners=False), (value, gradient))


@some()
@given(batches(dtypes=[torch.float64]), st.integers(0, 10**6))
def test_a_weight_of_zeros_and_ones_is_as_ignoring(inputs, seed):
    loss, logits, labels = inputs
    kept = torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed)) > 0.5
    arguments = dict(reduction_override='sum', align_corners=False)
    assert_same(
        value_and_gradient(loss, logits, labels, weight=kept.double(), **arguments),
        value_and_gradient(loss, logits, labels.where(kept, 255), **arguments),
    )


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16, torch.int64, torch.bool])
@pytest.mark.parametrize('name', LOSSES)
def test_weights_may_be_of_any_type(name, dtype):
    logits, labels = batch(0, dtype=torch.float32)
    weight = torch.arange(40).view(2, 4, 5) % 2
    found = value_and_gradient(LOSSES[name], logits, labels, weight=weight.to(dtype))
    assert found[0].dtype == torch.float32
    assert_same(found, value_and_gradient(LOSSES[name], logits, labels, weight=weight.float()))


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int16])
@pytest.mark.parametrize('name', LOSSES)
def test_labels_may_be_of_any_integer_type(name, dtype):
    logits, labels = batch(0)
    found = value_and_gradient(LOSSES[name], logits, labels.to(dtype))
    assert_same(found, value_and_gradient(LOSSES[name], logits, labels))


@pytest.mark.parametrize('ignore_index', [-100, 2, 1000, None])
@pytest.mark.parametrize('name', LOSSES)
def test_any_label_may_be_the_ignored_one_and_none(name, ignore_index):
    logits, labels = batch(0, ignored=0)
    marked = labels.where(labels != 2, 255) if ignore_index is not None else labels
    labels[labels == 2] = 2 if ignore_index is None else ignore_index
    assert_same(
        value_and_gradient(LOSSES[name], logits, labels, ignore_index=ignore_index),
        value_and_gradient(LOSSES[name], logits, marked),
    )


@pytest.mark.parametrize('name', LOSSES)
def test_avg_factor_replaces_the_divisor_and_the_override_the_reduction(name):
    logits, labels = batch(0)
    loss = LOSSES[name]
    total = loss(logits, labels, reduction_override='sum')
    torch.testing.assert_close(loss(logits, labels, avg_factor=7.0), total / 7)
    torch.testing.assert_close(loss(logits, labels, avg_factor=torch.tensor(7)), total / 7)
    if not name.startswith('focal_dice'):
        each = loss(logits, labels, reduction_override='none')
        torch.testing.assert_close(each.sum(), total)


@pytest.mark.parametrize('loss', [FocalLoss, DiceLoss, CrossEntropyLoss])
def test_loss_weight_is_a_factor(loss):
    inputs = batch(0)
    torch.testing.assert_close(loss(loss_weight=0.3)(*inputs), 0.3 * loss()(*inputs))
