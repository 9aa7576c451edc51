import pytest
import torch
from loss_inputs import LOSSES, assert_same, batch, value_and_gradient

from mmseg_ext.losses import blocks


@pytest.mark.parametrize('is_gpu', [False, True])
@pytest.mark.parametrize(
    ('num_images', 'height', 'row'), [(1, 1, 1), (2, 512, 150 * 512), (16, 512, 76800), (3, 7, 10)]
)
def test_blocks_fit_the_memory_and_the_labels(num_images, height, row, is_gpu):
    images, rows = blocks.plan_blocks(num_images, height, row, is_gpu)
    assert 1 <= images <= num_images
    assert 1 <= rows <= height
    most = blocks.BLOCK_ELEMENTS['gpu' if is_gpu else 'cpu']
    assert images * rows * row <= most or ((images == 1 or is_gpu) and rows == 1)


def test_a_gpu_never_holds_a_batch_of_some_size_at_once():
    images, rows = blocks.plan_blocks(2, 512, 21 * 512, is_gpu=True)
    assert images * rows <= 2 * 512 / 8


@pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)
def test_rows_of_all_images_give_what_one_image_after_the_other_does(loss, monkeypatch):
    logits, labels = batch(3, (3, 4, 5, 6), label_size=(11, 9))
    want = value_and_gradient(loss, logits, labels, align_corners=False)
    monkeypatch.setattr(blocks, 'plan_blocks', lambda num_images, *_: (num_images, 2))
    assert_same(value_and_gradient(loss, logits, labels, align_corners=False), want)


def test_sums_of_blocks_are_those_of_the_whole():
    values, weight = torch.rand(2, 3, 4, 5).double(), torch.rand(2, 1, 4, 5).double()
    found = blocks.weighted_sum(values, weight)
    torch.testing.assert_close(found, (values * weight).sum((2, 3)))
