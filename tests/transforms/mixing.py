"""Batches to mix, in which every pixel tells which image it comes from."""

import numpy as np
import torch
from hypothesis import strategies as st

IGNORED = 255


def make_batch(num_images, height, width, seed=0, num_classes=6):
    """Images whose values are unique, and labels, an eighth of them ignored."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.arange(float(num_images * 3 * height * width)).view(num_images, 3, height, width)
    label = torch.randint(0, num_classes, (num_images, 1, height, width), generator=generator)
    label[torch.rand(label.shape, generator=generator) < 1 / 8] = IGNORED
    return inputs, label


def sources(mixed, inputs):
    """Index of the image that each pixel of a mixed batch comes from, (N, H, W)."""
    size = inputs[0].numel()
    origin = (mixed // size).long()
    assert (origin == origin[:, :1]).all(), 'all channels come from one image'
    assert torch.equal(mixed, inputs.gather(0, origin)), 'and from the same place'
    return origin[:, 0]


def assert_pixels_take_their_labels_along(mixed, inputs, label):
    """No label that neither source had, and ignored pixels stay so."""
    origin = sources(mixed.inputs, inputs)[:, None]
    assert torch.equal(mixed.seg_label, label.gather(0, origin))
    return origin[:, 0]


def assert_one_partner_each(origin):
    """Own pixels, and those of one other image, the same number of places before it."""
    num_images = len(origin)
    own = torch.arange(num_images).view(-1, 1, 1)
    places = ((own - origin) % num_images).unique()
    assert len(places[places > 0]) <= 1


def assert_repeats_and_keeps_its_input(transform, inputs, label, seed):
    kept = inputs.clone(), label.clone()
    first, again = (transform(inputs, label, np.random.default_rng(seed)) for _ in range(2))
    assert torch.equal(inputs, kept[0]) and torch.equal(label, kept[1])
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.seg_label, again.seg_label)
    assert first.metainfo == again.metainfo
    return first


batches = st.builds(
    make_batch, st.integers(2, 5), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)
)
seeds = st.integers(0, 2**32)
