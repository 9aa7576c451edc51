import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from segmentor_pairs import assert_same_labels, labels_of, pair, sample

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.models.segmentors import pruning, streaming
from mmseg_ext.models.segmentors.image_logits import ImageLogits, Window
from mmseg_ext.models.segmentors.losses_of_images import sample_for_loss
from mmseg_ext.models.segmentors.placement import Placement
from mmseg_ext.models.segmentors.probabilities import add_probabilities

KINDS = ('smooth', 'noise', 'ties', 'near ties', 'few ties')
side, large = st.integers(1, 40), st.one_of(st.integers(1, 40), st.integers(64, 140))


def draw_logits(kind, num_images, num_classes, size, seed):
    """Logits as networks make them, or as they never would."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(num_images, num_classes, *size, generator=generator)
    coarse = torch.randn(num_images, num_classes, 2, 3, generator=generator)
    smooth = 3 * F.interpolate(coarse, size, mode='bilinear', align_corners=True)
    if kind == 'few ties':
        smooth[:, 0] = smooth[:, -1]
        return smooth
    return dict(
        smooth=smooth,
        noise=noise,
        ties=smooth.round(),
        **{'near ties': 1 + 1e-7 * noise.round()},
    )[kind]


@settings(max_examples=120, deadline=None, phases=[Phase.generate])
@given(
    low=st.tuples(side, side),
    padded=st.tuples(large, large),
    ori_shape=st.tuples(large, large),
    padding=st.tuples(*[st.integers(0, 9)] * 4),
    flip=st.sampled_from([None, 'horizontal', 'vertical']),
    align_corners=st.booleans(),
    num_classes=st.sampled_from([1, 2, 3, 11, 40]),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 99),
)
def test_labels_are_those_of_stock(
    low, padded, ori_shape, padding, flip, align_corners, num_classes, kind, seed
):
    left, right, top, bottom = padding
    padding = tuple(
        amount if amount + opposite < length else 0
        for amount, opposite, length in (
            (left, right, padded[1]),
            (right, left, padded[1]),
            (top, bottom, padded[0]),
            (bottom, top, padded[0]),
        )
    )
    single = dict(num_classes=2, out_channels=1)
    many = dict(num_classes=num_classes)
    stock, ours = pair(align_corners=align_corners, **(single if num_classes == 1 else many))
    logits = draw_logits(kind, 2, num_classes, low, seed)
    stock.decode_head.given = ours.decode_head.given = logits
    samples = [sample(padded, ori_shape, padding, flip), sample(padded)]
    assert_same_labels(stock, ours, torch.zeros(2, 3, *padded), samples)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('out_size', [(128, 171), (97, 300)])
def test_labels_of_150_classes_are_those_of_stock(kind, out_size):
    stock, ours = pair(150)
    stock.decode_head.given = ours.decode_head.given = draw_logits(kind, 1, 150, (32, 43), 0)
    assert_same_labels(stock, ours, torch.zeros(1, 3, 128, 171), [sample((128, 171), out_size)])


@pytest.mark.parametrize('kind', ['smooth', 'noise', 'few ties'])
@pytest.mark.parametrize('num_classes', [2, 9, 150])
def test_the_pruned_way_is_exact_however_many_pixels_are_open(kind, num_classes, monkeypatch):
    monkeypatch.setattr(pruning, 'MOST_OPEN', 1)
    logits = draw_logits(kind, 1, num_classes, (24, 31), 1)
    whole = slice(0, 96), slice(0, 124)
    placement = Placement((96, 124), *whole, 'horizontal', (101, 90), False)
    image = ImageLogits([Window(logits[0], *whole)], placement)
    found = pruning.pruned_labels(image)
    if kind == 'few ties' and num_classes == 2:
        assert found is None  # both of them, everywhere
        return
    up = F.interpolate(logits, (96, 124), mode='bilinear').flip(3)
    expected = F.interpolate(up, (101, 90), mode='bilinear')[0].argmax(0)
    assert torch.equal(found, expected)
    assert torch.equal(streaming._dense_labels(image, finite=True), expected)


def test_the_pruned_way_is_for_maps_with_few_borders():
    whole = slice(0, 96), slice(0, 124)
    placement = Placement((96, 124), *whole, None, (96, 124), False)
    for kind, taken in (('smooth', True), ('noise', False)):
        logits = draw_logits(kind, 1, 150, (24, 31), 1)[0]
        found = pruning.pruned_labels(ImageLogits([Window(logits, *whole)], placement))
        assert (found is not None) is taken


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize('ori_shape', [(48, 64), (30, 70)])
def test_logits_that_are_not_finite_give_the_labels_of_stock(value, ori_shape):
    stock, ours = pair(40)
    logits = draw_logits('smooth', 1, 40, (12, 16), 0)
    logits[0, 7, 3, 4] = logits[0, 30, 3, 5] = logits[0, 2, 9, 9] = value
    stock.decode_head.given = ours.decode_head.given = logits
    assert_same_labels(stock, ours, torch.zeros(1, 3, 48, 64), [sample((48, 64), ori_shape)])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float64])
def test_other_types_of_logits_give_the_labels_of_stock(dtype):
    stock, ours = pair(20)
    logits = draw_logits('smooth', 1, 20, (12, 16), 0).to(dtype)
    stock.decode_head.given = ours.decode_head.given = logits
    assert_same_labels(stock, ours, torch.zeros(1, 3, 48, 64), [sample((48, 64), (50, 70))])


@pytest.mark.parametrize('num_classes', [2, 4, 9, 33, 34, 35, 37, 66, 150])
def test_logits_in_the_order_of_channels_last_give_the_labels_of_stock(num_classes):
    stock, ours = pair(num_classes)
    for seed, (low, padded, ori_shape) in enumerate(
        [((8, 10), (32, 40), (50, 61)), ((16, 20), (64, 80), (100, 130)), ((7, 9), (28, 36), None)]
    ):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            noise = draw_logits('noise', 2, num_classes, low, seed)
            logits = (noise[:, :1] + 1e-7 * noise).to(dtype)
            logits = logits.contiguous(memory_format=torch.channels_last)
            stock.decode_head.given = ours.decode_head.given = logits
            samples = [sample(padded, ori_shape), sample(padded, ori_shape, (0, 2, 0, 1))]
            assert_same_labels(stock, ours, torch.zeros(2, 3, *padded), samples)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('num_classes', [2, 19, 150])
@pytest.mark.parametrize('crop', [(64, 64), (100, 150)])  # the other is one window
def test_windows_of_half_precision_are_added_up_as_in_stock(dtype, num_classes, crop):
    test_cfg = dict(mode='slide', crop_size=crop, stride=(41, 41))
    stock, ours = pair(num_classes, test_cfg=test_cfg)
    for model in (stock, ours):
        model.decode_head.conv_seg.register_forward_hook(lambda conv, args, made: made.to(dtype))
    inputs = torch.randn(1, 3, 100, 150)
    assert_same_labels(stock, ours, inputs, [sample((100, 150), (131, 190))])


def test_other_devices_than_a_cpu_are_used_as_a_gpu_is():
    like = torch.empty(3, 8, 10, device='meta')  # whose values nobody can look at
    whole = slice(0, 32), slice(0, 40)
    image = ImageLogits([Window(like, *whole)], Placement((32, 40), *whole, None, (50, 60), False))
    labels = streaming.find_labels(image)
    assert labels.shape == (1, 50, 60) and labels.device == like.device
    add_probabilities(image, like.new_zeros(3, 50, 60))


@pytest.mark.parametrize('num_classes', [3, 15, 16, 33, 150])
def test_a_gpu_takes_its_kernel_for_channels_last_with_chunks_as_with_all(num_classes):
    like = torch.empty(1, num_classes, 8, 10, device='meta').to(memory_format=torch.channels_last)
    whole = slice(0, 32), slice(0, 40)
    placement = Placement((32, 40), *whole, None, (50, 60), False)
    chunks = list(ImageLogits([Window(like[0], *whole)], placement).chunks(9))
    assert [k for chunk in chunks for k in range(num_classes)[chunk]] == list(range(num_classes))
    assert all(chunk.stop - chunk.start >= min(16, num_classes) for chunk in chunks)


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(
    size=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    crop=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    overlap=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    padding=st.sampled_from([(0, 0, 0, 0), (0, 3, 0, 2), (1, 0, 4, 0)]),
    ori_shape=st.sampled_from([None, (33, 21), (80, 90)]),
    align_corners=st.booleans(),
    head=st.sampled_from(['MadeHead', 'MadeOwnHead']),
)
def test_windows_give_the_labels_of_stock(
    size, crop, overlap, padding, ori_shape, align_corners, head
):
    stride = tuple(a - b for a, b in zip(crop, overlap, strict=True))
    test_cfg = dict(mode='slide', crop_size=crop, stride=stride)
    stock, ours = pair(11, align_corners, head, test_cfg)
    torch.manual_seed(sum(size))
    inputs = torch.randn(2, 3, *size)
    samples = [sample(size, ori_shape, padding), sample(size, None, padding, 'horizontal')]
    assert_same_labels(stock, ours, inputs, samples)


def test_a_head_that_predicts_in_its_own_way_is_asked():
    stock, ours = pair(11, head='MadeOwnHead')
    asked = []
    method = ours.decode_head.predict_by_feat
    ours.decode_head.predict_by_feat = lambda *args: asked.append(1) or method(*args)
    assert_same_labels(stock, ours, torch.randn(2, 3, 40, 52), [sample((40, 52), (60, 50))] * 2)
    assert asked


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_a_head_of_another_family_is_asked(mode):
    test_cfg = dict(mode=mode, crop_size=(40, 52), stride=(20, 20))
    stock, ours = pair(11, head='MadeBareHead', test_cfg=test_cfg)
    assert_same_labels(stock, ours, torch.randn(2, 3, 40, 52), [sample((40, 52), (60, 50))] * 2)


def test_labels_without_samples_are_as_large_as_the_input():
    stock, ours = pair(11)
    assert_same_labels(stock, ours, torch.randn(2, 3, 40, 52), None)


def test_logits_are_kept_on_demand_alone():
    stock, ours = pair(11)
    inputs, samples = torch.randn(1, 3, 40, 52), [sample((40, 52), (30, 39))]
    with torch.no_grad():
        (expected,) = stock.predict(inputs, [samples[0].clone()])
        assert 'seg_logits' not in ours.predict(inputs, [samples[0].clone()])[0]
        ours.test_cfg['keep_logits'] = True
        (found,) = ours.predict(inputs, [samples[0].clone()])
    assert torch.equal(found.seg_logits.data, expected.seg_logits.data)
    assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_images_of_several_sizes_get_the_labels_that_each_gets_alone(mode):
    stock, ours = pair(11, test_cfg=dict(mode=mode, crop_size=(24, 24), stride=(16, 16)))
    sizes = [(40, 52), (30, 64), (40, 52)]
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    samples = [sample(size, (size[0] + 3, size[1])) for size in sizes]
    with torch.no_grad():
        found = ours.test_step(dict(inputs=images, data_samples=[s.clone() for s in samples]))
    for image, one, predicted in zip(images, samples, found, strict=True):
        (expected,) = labels_of(stock, image[None].float(), [one])
        assert torch.equal(predicted.pred_sem_seg.data[0], expected)
        assert predicted.ori_shape == one.ori_shape


@pytest.mark.parametrize('test_cfg', [dict(size=(64, 64)), dict(size_divisor=32)])
def test_padding_for_the_test_is_that_of_each_image_alone(test_cfg):
    stock, ours = pair(11)
    sizes = [(40, 52), (30, 64)]
    for model in (stock, ours):
        model.data_preprocessor.test_cfg = test_cfg
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]

    def step(model, indices):
        samples = [sample(sizes[index]) for index in indices]
        for each in samples:
            del each.img_padding_size
        with torch.no_grad():
            data = dict(inputs=[images[index] for index in indices], data_samples=samples)
            return [each.pred_sem_seg.data for each in model.test_step(data)]

    alone = step(stock, [0]) + step(stock, [1])
    for found, expected in zip(step(ours, [0, 1]), alone, strict=True):
        assert torch.equal(found, expected)


def test_state_dicts_have_the_names_of_stock():
    stock, ours = pair()
    assert list(stock.state_dict()) == list(ours.state_dict())


@pytest.mark.parametrize('mode', ['whole', 'slide'])
@pytest.mark.parametrize('head', ['MadeHead', 'MadeOwnHead'])
def test_losses_are_those_of_training_on_each_image(mode, head):
    test_cfg = dict(mode=mode, crop_size=(24, 24), stride=(16, 16))
    stock, ours = pair(11, head=head, test_cfg=test_cfg)
    sizes = [(40, 52), (30, 64), (40, 52)]
    images = [torch.randn(3, *size) for size in sizes]
    samples = []
    for number, size in enumerate(sizes):
        label = torch.randint(0, 11, (1, size[0] + number, size[1]))
        label[:, :4] = 255
        samples.append(sample(size, tuple(label.shape[1:]), label=label.to(torch.uint8)))
    with torch.no_grad():
        predicted, losses = ours.predict_with_loss(images, [s.clone() for s in samples])
        for image, one, got, loss in zip(images, samples, predicted, losses, strict=True):
            (labels,) = labels_of(stock, image[None], [one])
            assert torch.equal(got.pred_sem_seg.data[0], labels)
            assert got.gt_sem_seg.data.dtype == torch.uint8
            one.gt_sem_seg = PixelData(data=one.gt_sem_seg.data.long())
            expected = stock.loss(image[None], [one])
            assert list(loss) == list(expected)
            for name, value in expected.items():
                torch.testing.assert_close(loss[name], value)


def test_whole_mode_asks_the_network_once_for_labels_and_losses():
    _, ours = pair(11)
    calls = []
    ours.backbone.register_forward_hook(lambda *_: calls.append('backbone'))
    ours.decode_head.conv_seg.register_forward_hook(lambda *_: calls.append('head'))
    label = torch.zeros(1, 40, 52, dtype=torch.long)
    samples = [sample((40, 52), label=label.clone()) for _ in range(2)]
    with torch.no_grad():
        ours.predict_with_loss(torch.randn(2, 3, 40, 52), samples)
    assert calls == ['backbone', 'head']


def test_padding_does_not_count_in_the_loss():
    stock, ours = pair(11)
    inputs = torch.randn(1, 3, 48, 64)
    label = torch.randint(0, 11, (1, 80, 104))
    padding = (0, 12, 0, 8)
    with torch.no_grad():
        one = sample((48, 64), (80, 104), padding, label=label)
        _, (found,) = ours.predict_with_loss(inputs, [one])
        small = F.interpolate(label[None].double(), (40, 52), mode='nearest')[0].long()
        padded = F.pad(small, padding, value=255)
        expected = stock.loss(inputs, [sample((48, 64), label=padded)])
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_sample_without_truth_is_named():
    _, ours = pair()
    with pytest.raises(ValueError, match=r'a\.jpg has no truth.*LoadAnnotations'):
        ours.predict_with_loss(torch.zeros(1, 3, 8, 8), [sample((8, 8))])


@pytest.mark.parametrize('head', ['MadeBareHead', 'MadePairHead'])
def test_a_head_without_a_loss_in_validation_is_named(head):
    _, ours = pair(head=head)
    label = torch.zeros(1, 8, 8, dtype=torch.long)
    said = rf"a\.jpg: {head} gives no loss in validation \(.*val_cfg\.type='ValLoop'"
    with pytest.raises(UsageError, match=said):
        ours.predict_with_loss(torch.zeros(1, 3, 8, 8), [sample((8, 8), label=label)])


def test_other_truth_comes_along_where_it_fits():
    one = sample((8, 8), label=torch.zeros(1, 8, 8, dtype=torch.uint8))
    one.gt_edge_map = PixelData(data=torch.ones(1, 8, 8))
    one.gt_depth_map = PixelData(data=torch.ones(1, 4, 4))
    made = sample_for_loss(one, (8, 8), 255)
    assert made.gt_edge_map is one.gt_edge_map and 'gt_depth_map' not in made


def test_windows_that_leave_gaps_are_refused():
    _, ours = pair(test_cfg=dict(mode='slide', crop_size=(8, 8), stride=(8, 9)))
    with pytest.raises(ValueError, match='stride of 9 leaves gaps between windows of 8'):
        ours.predict(torch.zeros(1, 3, 40, 40))


def test_an_unknown_mode_is_named():
    _, ours = pair(test_cfg=dict(mode='hole'))
    with pytest.raises(ValueError, match="mode='hole'"):
        ours.predict(torch.zeros(1, 3, 8, 8))


def test_a_diagonal_flip_is_refused():
    _, ours = pair()
    with pytest.raises(ValueError, match='diagonal'):
        ours.predict(torch.zeros(1, 3, 8, 8), [sample((8, 8), flip='diagonal')])
