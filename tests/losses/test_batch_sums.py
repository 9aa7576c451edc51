import pytest
import torch
from loss_inputs import batch

from mmseg_ext.losses.functional import Request, batch_sums

REQUESTS = {
    True: Request(gamma=2.0, negative=torch.ones(1).double(), positive=torch.ones(1).double()),
    False: Request(smoothing=torch.ones(3).double()),
}


@pytest.mark.parametrize('use_sigmoid', REQUESTS)
def test_ignored_pixels_have_no_loss_and_no_gradient_whoever_asks(use_sigmoid):
    logits, labels = batch(0)
    logits.requires_grad_()
    sums = batch_sums(logits, labels, REQUESTS[use_sigmoid], use_sigmoid)
    losses = sums.losses if use_sigmoid else sums.losses + sums.smooth
    assert not losses[labels == 255].any()
    assert losses[labels != 255].all()
    losses.sum().backward()
    assert not logits.grad.movedim(1, 3)[labels == 255].any()
    assert logits.grad.movedim(1, 3)[labels != 255].all()


@pytest.mark.parametrize('num_channels', [1, 3])
@pytest.mark.parametrize('align_corners', [False, True])
def test_says_where_the_own_class_has_the_highest_logit(num_channels, align_corners):
    logits, labels = batch(0, (2, num_channels, 4, 5), (9, 7))
    sums = batch_sums(logits, labels, REQUESTS[True], True, align_corners=align_corners)
    upsampled = torch.nn.functional.interpolate(
        logits, (9, 7), mode='bilinear', align_corners=align_corners
    )
    best = upsampled.argmax(1) if num_channels > 1 else (upsampled[:, 0] > 0).long()
    valid = labels != 255
    assert torch.equal(sums.correct[valid], (best == labels)[valid])
    if num_channels > 1:
        softmax = batch_sums(logits, labels, REQUESTS[False], False, align_corners=align_corners)
        assert torch.equal(softmax.correct[valid], sums.correct[valid])
