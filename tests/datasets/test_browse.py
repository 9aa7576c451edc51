import shutil

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_ext.datasets.browse import Browser, Sample, Stage, masks_with_class, to_rgb
from mmseg_ext.datasets.check.parts import find_split
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner
from mmseg_ext.records.pictures import IGNORED_COLOUR, OUTSIDE_COLOUR, colour_mask, overlay_mask
from mmseg_ext.records.sample_sheets import draw_samples, draw_stages


@pytest.fixture
def dataset(tiny):
    complete_config(tiny)
    init_default_scope('mmseg')
    return tiny.train_dataloader.dataset


def test_it_shows_what_the_runner_trains_on(tiny, dataset):
    tiny.train_dataloader.dataset.pipeline.insert(3, dict(type='RandomFlip', prob=0.5))
    loader = Runner.build_dataloader(tiny.train_dataloader, seed=5)
    browser = Browser(dataset, seed=5)
    indices = list(loader.sampler)[:6]
    batch = next(iter(loader))
    for number, index in enumerate(indices):
        shown = browser.load(int(index)).final
        trained = batch['inputs'][number].numpy().transpose(1, 2, 0)
        assert np.array_equal(shown.image, trained[..., ::-1])
        label = batch['data_samples'][number].gt_sem_seg.data[0].numpy()
        assert np.array_equal(shown.label, label)
    other = Browser(dataset, seed=6)
    assert any(not other.load(i).final.equals(browser.load(i).final) for i in range(4)), (
        'the seed draws'
    )


def test_the_stages_are_those_of_the_pipeline(dataset, voc_root):
    sample = Browser(dataset).load(0)
    # what PackSegInputs makes is the final stage
    names = [stage.name for stage in sample.stages]
    assert names == ['LoadImageFromFile', 'LoadAnnotations', 'RandomCrop']
    assert sample.stages[0].label is None
    with Image.open(voc_root / 'JPEGImages' / sample.name) as image:
        assert abs(np.array(image).astype(int) - sample.image).mean() < 1, 'RGB, as it is'
    mask = voc_root / f'SegmentationClass/{sample.name[:-4]}.png'
    assert np.array_equal(sample.label, np.array(Image.open(mask)))
    assert sample.stages[2].equals(sample.final) and sample.final.image.shape == (32, 32, 3)


def test_wrappers_keep_their_indices(dataset):
    wrapped = dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[dataset] * 2)
    )
    plain, browser = Browser(dataset), Browser(wrapped)
    assert len(browser) == 4 * len(plain)
    assert browser.load(len(plain) + 3).name == plain.load(3).name
    assert browser.load(3).stages[-1].name == 'RandomCrop'
    spread = browser.spread(5)
    assert spread[0] == 0 and spread[-1] == len(browser) - 1 and len(spread) == 5
    assert plain.spread(500) == list(range(len(plain)))


def test_a_mix_of_images_begins_with_its_own(dataset):
    dataset.pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    mix = dict(
        type='MultiImageMixDataset', dataset=dataset,
        pipeline=[dict(type='RandomMosaic', prob=1, img_scale=(64, 64)),
                  dict(type='PackSegInputs')],
    )  # fmt: skip
    sample = Browser(mix).load(2)
    assert sample.final.image.shape == (128, 128, 3)
    expected = Browser(dict(dataset, pipeline=[*dataset.pipeline, dict(type='PackSegInputs')]))
    assert np.array_equal(sample.image, expected.load(2).image)


def test_images_that_hold_a_class(tiny, dataset, voc_root):
    parts, _ = find_split('train', dataset, tiny.model)
    masks = masks_with_class(parts, 'car', 1)
    expected = {
        str(path)
        for path in (voc_root / 'SegmentationClass').glob('*.png')
        if path.stem in (voc_root / 'ImageSets/Segmentation/train.txt').read_text()
        and (np.array(Image.open(path)) == 7).any()
    }
    assert masks == expected and 0 < len(masks) < 40
    browser = Browser(dict(type='RepeatDataset', times=3, dataset=dataset))
    chosen = browser.spread(100, masks)
    assert len(chosen) == len(masks), 'each file once'
    assert all((browser.load(index).label == 7).any() for index in chosen)
    with pytest.raises(UsageError, match=r'has no class lorry; it has background, aeroplane'):
        masks_with_class(parts, 'lorry', 1)


def test_a_damaged_image_is_named(dataset, voc_root, tmp_path):
    root = tmp_path / 'VOC2012'
    shutil.copytree(voc_root, root)
    dataset.data_root = str(root)
    name = (root / 'ImageSets/Segmentation/train.txt').read_text().split()[1]
    (root / f'JPEGImages/{name}.jpg').write_bytes(b'')
    with pytest.raises(UsageError, match=rf'{name}\.jpg does not pass the pipeline'):
        Browser(dataset).load(1)


def test_a_pipeline_of_another_form_is_refused(dataset):
    dataset.pipeline = dataset.pipeline[:-1]
    with pytest.raises(UsageError, match='must end in PackSegInputs'):
        Browser(dataset).load(0)


def test_images_of_any_kind_become_rgb():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 200
    assert to_rgb(image, is_bgr=True)[0, 0].tolist() == [0, 0, 200]
    assert to_rgb(image, is_bgr=False)[0, 0].tolist() == [200, 0, 0]
    normalised = np.array([[-1.0, 0, 1]])
    assert to_rgb(normalised, True)[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


def test_ignored_is_hatched_and_a_label_outside_stands_out():
    image = np.full((80, 80, 3), 100, np.uint8)
    label = np.zeros((80, 80), np.uint8)
    label[:, 40:] = 255
    label[:4, :4] = 9
    drawn = overlay_mask(image, label, [[200, 0, 0]], ignore_index=255)
    assert drawn[20, 20].tolist() == [150, 50, 50]
    ignored = {tuple(colour) for colour in drawn[:, 40:].reshape(-1, 3).tolist()}
    assert ignored == {(100, 100, 100), IGNORED_COLOUR}
    assert colour_mask(label, [[200, 0, 0]], 255)[0, 0].tolist() == list(OUTSIDE_COLOUR)
    assert colour_mask(label, [[200, 0, 0]])[0, 0].tolist() == list(IGNORED_COLOUR)


def test_sheets(dataset, tmp_path):
    """A pixel in the middle of each cell says what the cell shows."""
    image = np.full((50, 50, 3), (0, 100, 0), np.uint8)
    label = np.ones((50, 50), np.uint8)
    small = Stage('Resize', image[:25, :25], label[:25, :25])
    stages = [Stage('Load', image, None), Stage('LoadLabels', image, label), small, small]
    sample = Sample('a.jpg', stages, small)
    palette = [[0, 0, 0], [200, 0, 0]]
    draw_samples(tmp_path / 'a.png', [sample], ['x', 'y'], palette)
    assert middles(tmp_path / 'a.png', 3) == [[0, 100, 0], [100, 50, 0], [200, 0, 0]]
    unlabelled = Sample('b.jpg', stages[:1], Stage('input', image, None))
    draw_stages(tmp_path / 'b.png', [sample], ['x', 'y'], palette)
    assert middles(tmp_path / 'b.png', 3) == [[0, 100, 0], [100, 50, 0], [100, 50, 0]]
    draw_samples(tmp_path / 'c.png', [unlabelled], ['x', 'y'], palette)
    assert middles(tmp_path / 'c.png', 2, of=3) == [[0, 100, 0], [0, 100, 0]]
    # in validation, labels keep their size
    val = Sample('d.jpg', stages, Stage('input', cv2.resize(image, (25, 25)), label))
    draw_samples(tmp_path / 'd.png', [val], ['x', 'y'], palette, with_original_labels=True)
    assert middles(tmp_path / 'd.png', 4)[1:3] == [[100, 50, 0], [100, 50, 0]]


def middles(path, number, of=None):
    sheet = np.array(Image.open(path).convert('RGB'))
    row = sheet[sheet.shape[0] // 2]
    columns = of or number
    return [row[row.shape[0] * (2 * i + 1) // (2 * columns)].tolist() for i in range(number)]
