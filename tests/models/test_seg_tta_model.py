import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from segmentor_pairs import pair, sample

from mmseg_ext.models.segmentors.probabilities import add_probabilities

RATIOS = (0.5, 1.0, 1.75)
SIZE = (48, 64)  # of the image


def build(kind, module):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(ConfigDict(type=kind, module=module)).eval()


def views(sizes=(SIZE,)):
    """Inputs and samples of every scale and flip, one list of images a view, as they are loaded."""
    torch.manual_seed(0)
    images = [torch.randint(0, 4, (1, 3, *size)).float() for size in sizes]
    labels = [torch.randint(0, 11, (1, *size)) for size in sizes]
    inputs, samples = [], []
    for ratio in RATIOS:
        for flip in (None, 'horizontal'):
            batch, of_batch = [], []
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                scaled = torch.nn.functional.interpolate(image, scale_factor=ratio)[0]
                scaled = scaled.flip(2) if flip else scaled
                made = sample(tuple(scaled.shape[1:]), tuple(image.shape[2:]), flip=flip)
                made.gt_sem_seg = PixelData(data=label)
                made.set_metainfo(
                    dict(
                        img_path=f'{number}.jpg',
                        seg_map_path=f'{number}.png',
                        reduce_zero_label=True,
                        scale_factor=(ratio, ratio),
                    )
                )
                batch.append(scaled.to(torch.uint8))
                of_batch.append(made)
            inputs.append(batch)
            samples.append(of_batch)
    return dict(inputs=inputs, data_samples=samples)


def each(data):
    """The views one by one."""
    return [dict(zip(data, view, strict=True)) for view in zip(*data.values(), strict=True)]


def probabilities(stock, data):
    """The mean over the views of one image, from the stock segmentor, float64."""
    found = []
    for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
        view = dict(inputs=inputs, data_samples=[each.clone() for each in samples])
        (predicted,) = stock.test_step(view)
        logits = predicted.seg_logits.data.double()
        found.append(logits.softmax(0) if len(logits) > 1 else logits)
    return sum(found) / len(found)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_labels_are_those_of_stock_but_for_ties(mode, align_corners):
    test_cfg = dict(mode=mode, crop_size=(30, 26), stride=(16, 20))
    stock, ours = pair(11, align_corners, test_cfg=test_cfg)
    with torch.no_grad():
        (expected,) = build('SegTTAModel', stock).test_step(views())
        (found,) = build('mmseg_ext.SegTTAModel', ours).test_step(views())
        chance = probabilities(stock, views())
    labels = found.pred_sem_seg.data
    assert labels.dtype == torch.int64 and labels.shape == (1, *SIZE)
    differs = labels != expected.pred_sem_seg.data
    gap = chance.amax(0, keepdim=True) - chance.gather(0, labels)
    assert gap[differs].max() < 1e-6 if differs.any() else True
    assert differs.float().mean() < 0.001 and len(labels.unique()) > 2


def test_under_autocast_probabilities_stay_exact():
    """The logits are those of half precision, what becomes of them is not."""
    _, ours = pair(11)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        (found,) = build('mmseg_ext.SegTTAModel', ours).test_step(views())
        images = [ours.predict_logits(**ours.data_preprocessor(view)) for view in each(views())]
    sums = torch.zeros(11, *SIZE)
    for (image,) in images:
        assert image.like.dtype == torch.bfloat16
        add_probabilities(image, sums)
    assert torch.equal(found.pred_sem_seg.data[0], sums.argmax(0))


@pytest.mark.parametrize('is_ours', [True, False])
def test_a_single_class_is_decided_by_the_mean_probability(is_ours):
    stock, ours = pair(2, out_channels=1)
    data = views()
    with torch.no_grad():
        module = ours if is_ours else stock
        (found,) = build('mmseg_ext.SegTTAModel', module).test_step(views())
        wanted = []
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
            (predicted,) = stock.test_step(dict(inputs=inputs, data_samples=samples))
            wanted.append(predicted.seg_logits.data)  # after the sigmoid
    chance = sum(wanted) / len(wanted)
    clear = (chance - stock.decode_head.threshold).abs() > 1e-6
    expected = (chance > stock.decode_head.threshold).long()
    assert torch.equal(found.pred_sem_seg.data[clear], expected[clear])
    assert clear.float().mean() > 0.99 and 0 < expected.float().mean() < 1


def test_a_merged_sample_is_that_of_the_untouched_view():
    _, ours = pair(11)
    data = views()
    with torch.no_grad():
        (found,) = build('mmseg_ext.SegTTAModel', ours).test_step(data)
    assert found.scale_factor == (1.0, 1.0) and found.flip is False
    assert found.img_shape == found.ori_shape == SIZE
    assert (found.img_path, found.seg_map_path) == ('0.jpg', '0.png')
    assert found.reduce_zero_label and 'seg_logits' not in found
    assert torch.equal(found.gt_sem_seg.data, data['data_samples'][2][0].gt_sem_seg.data)


def test_several_images_get_the_labels_that_each_gets_alone():
    _, ours = pair(11)
    model = build('mmseg_ext.SegTTAModel', ours)
    together = views([SIZE, (40, 80), SIZE])
    with torch.no_grad():
        found = model.test_step(views([SIZE, (40, 80), SIZE]))
        for number, got in enumerate(found):
            alone = {key: [[view[number]] for view in of] for key, of in together.items()}
            (expected,) = model.test_step(alone)
            assert got.img_path == f'{number}.jpg'
            assert torch.equal(got.pred_sem_seg.data, expected.pred_sem_seg.data)


def test_another_segmentor_is_asked_for_its_logits():
    stock, ours = pair(11)
    with torch.no_grad():
        (expected,) = build('mmseg_ext.SegTTAModel', ours).test_step(views())
        (found,) = build('mmseg_ext.SegTTAModel', stock).test_step(views())
    assert (found.pred_sem_seg.data == expected.pred_sem_seg.data).float().mean() > 0.999
    assert 'seg_logits' not in found and found.scale_factor == (1.0, 1.0)
