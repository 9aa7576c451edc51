from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_inputs import SIZES

from mmseg_ext.losses import blocks
from mmseg_ext.losses.upsampling import Upsampling

lengths = st.integers(1, 17)
sizes = st.tuples(lengths, lengths)


def in_bands(logits, out_size, align_corners, num_rows):
    """The upsampled logits, and what their transpose makes of cosines."""
    found = torch.empty(*logits.shape[:2], *out_size, dtype=blocks.computing_like(logits).dtype)
    upstream = cosines(*found.shape).to(found)
    with mock.patch.dict(blocks.BLOCK_ELEMENTS, cpu=num_rows * logits.shape[1] * out_size[1]):
        walk = blocks.Blocks(logits, out_size, align_corners, num_buffers=1)
        gradient = blocks.Gradient(walk)
        for block in walk:
            place = block.images, slice(None), block.band.rows
            found[place] = block.buffers[0]
            gradient.add(block, upstream[place])
    return found, gradient.logits


def cosines(*shape):
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).cos().view(shape)


def assert_interpolates(in_size, out_size, align_corners, num_rows):
    logits = cosines(2, 3, *in_size).add(0.3).requires_grad_()
    want = F.interpolate(logits, out_size, mode='bilinear', align_corners=align_corners)
    want.backward(cosines(*want.shape))
    found, gradient = in_bands(logits.detach(), out_size, align_corners, num_rows)
    torch.testing.assert_close(found, want.detach(), rtol=0, atol=1e-13)
    torch.testing.assert_close(gradient, logits.grad, rtol=0, atol=1e-11)


@pytest.mark.parametrize('num_rows', [1, 2, 5, 100])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('in_size', 'out_size'), SIZES)
def test_is_interpolate_and_its_transpose(in_size, out_size, align_corners, num_rows):
    assert_interpolates(in_size, out_size, align_corners, num_rows)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, st.booleans(), st.integers(1, 20))
def test_is_interpolate_for_any_sizes(in_size, out_size, align_corners, num_rows):
    assert_interpolates(in_size, out_size, align_corners, num_rows)


@given(sizes, sizes, st.booleans(), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_bands_hold_each_row_once_and_all_that_it_is_made_of(
    in_size, out_size, align_corners, num_rows
):
    upsampling = Upsampling(in_size, out_size, align_corners, torch.empty(0, dtype=torch.float64))
    bands = list(upsampling.bands(num_rows))
    rows = [row for band in bands for row in range(band.rows.start, band.rows.stop)]
    assert rows == list(range(out_size[0]))
    for band in bands:
        ones = torch.ones(len(band.weights), dtype=torch.float64)
        torch.testing.assert_close(band.weights.sum(1), ones)
        assert band.weights[0, 0] > 0  # no source row is read for nothing
        assert band.weights[-1, -1] > 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_upsampled_in_float32(dtype):
    logits = (20 * cosines(1, 2, 5, 4)).to(dtype)
    found, _ = in_bands(logits, (9, 11), False, 4)
    want = F.interpolate(logits.double(), (9, 11), mode='bilinear', align_corners=False)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), want, rtol=0, atol=2e-5)


@pytest.mark.parametrize('align_corners', [False, True])
def test_equal_sizes_change_no_bit(align_corners):
    logits = cosines(2, 3, 7, 5).float().transpose(2, 3)
    found, gradient = in_bands(logits, (5, 7), align_corners, 2)
    assert torch.equal(found, logits)
    assert torch.equal(gradient, cosines(2, 3, 5, 7).float())


def test_a_matrix_first_made_in_inference_serves_training():
    with torch.inference_mode():
        in_bands(cosines(1, 1, 16, 15), (23, 29), False, 100)
    assert_interpolates((16, 15), (23, 29), False, 100)
