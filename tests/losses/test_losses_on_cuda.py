import pytest
import torch
from loss_inputs import LOSSES, assert_same, batch, value_and_gradient

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


def on_gpu(loss):
    return loss.to('cuda')


@pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(('dtype', 'rtol'), [(torch.float32, 1e-4), (torch.float16, 1e-2)])
def test_a_gpu_gives_what_a_cpu_gives_in_float64(loss, dtype, rtol):
    logits, labels = batch(5, (2, 7, 9, 8), label_size=(33, 29), dtype=dtype)
    want = value_and_gradient(loss, logits.double(), labels, align_corners=False)
    value, gradient = value_and_gradient(
        on_gpu(loss), logits.cuda(), labels.cuda(), align_corners=False
    )
    loss.to('cpu')
    assert_same((value.cpu(), gradient.cpu()), want, rtol=rtol)


@pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)
def test_a_step_never_waits_for_the_gpu(loss):
    logits, labels = batch(6, (2, 7, 9, 8), label_size=(33, 29), dtype=torch.float32)
    inputs = logits.cuda(), labels.cuda()
    value_and_gradient(on_gpu(loss), *inputs, align_corners=False)  # makes the matrices
    torch.cuda.set_sync_debug_mode('error')
    try:
        value_and_gradient(loss, *inputs, align_corners=False)
    finally:
        torch.cuda.set_sync_debug_mode('default')
        loss.to('cpu')


@pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)
def test_a_label_outside_the_classes_gives_nan_and_leaves_the_context_alive(loss):
    logits, labels = batch(7, dtype=torch.float32)
    labels[0, 0, 0] = 77
    value, gradient = value_and_gradient(on_gpu(loss), logits.cuda(), labels.cuda())
    loss.to('cpu')
    torch.cuda.synchronize()
    assert value.isnan()
    assert gradient.isfinite().all()
