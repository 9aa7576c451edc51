import cv2
import numpy as np
import pytest
import torch
from conftest import load_run_config
from made_runs import METAINFO, make_image, write_run
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import RUNNERS
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.inference import Segmenter
from mmseg_ext.inference.names import find_metainfo, make_palette, read_class_names
from mmseg_ext.inference.outputs import Outputs
from mmseg_ext.inference.pipeline import find_pipeline, refuse_torn_images


@pytest.fixture(scope='module')
def run_dir(tiny_config, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp('runs') / 'tiny', tiny_config)


@pytest.fixture(scope='module')
def segmenter(run_dir):
    return Segmenter.from_run(run_dir, device='cpu')


class Keep(Hook):
    """Keeps the labels of a test by file."""

    def __init__(self):
        self.labels = {}

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for sample in outputs:
            label = sample.pred_sem_seg.data.cpu().numpy()
            self.labels[sample.img_path] = label.reshape(label.shape[-2:])


@pytest.mark.parametrize('tta', [False, True])
def test_labels_are_those_of_a_test(run_dir, tiny_config, tmp_path, tta):
    cfg = load_run_config(tiny_config)
    cfg.work_dir, cfg.load_from = str(tmp_path), str(run_dir / 'best_mIoU_epoch_2.pth')
    for part in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[part] = None
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{part}'] = None
    cfg.test_dataloader.dataset.indices = 5
    if tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    runner, keep = RUNNERS.get('mmseg_ext.Runner').from_cfg(cfg), Keep()
    runner.register_hook(keep)
    runner.test()

    segmenter = Segmenter.from_run(run_dir, tta=tta)
    files = list(keep.labels)
    alone = [segmenter.predict(file) for file in files]
    together = segmenter.predict_batch(files)
    assert len(files) == 5 and all(len(np.unique(label)) > 3 for label in alone)
    for file, one, several in zip(files, alone, together, strict=True):
        assert np.array_equal(one, keep.labels[file])
        # a batch may be summed in another order, which decides where two classes are equal
        assert (one != several).mean() < 1e-3


def test_a_file_and_the_array_that_opencv_reads_are_one(segmenter, tmp_path):
    file, image = tmp_path / 'a.png', make_image()
    cv2.imwrite(str(file), image)
    label = segmenter.predict(file)
    assert label.dtype == np.uint8 and label.shape == (48, 64) and len(np.unique(label)) > 3
    assert np.array_equal(label, segmenter.predict(image))
    assert not np.array_equal(label, segmenter.predict(image[..., ::-1].copy()))


def test_images_of_several_sizes_come_back_in_order(segmenter):
    images = [make_image(seed, *size) for seed, size in enumerate([(40, 56), (48, 64), (40, 56)])]
    labels = segmenter.predict_batch(images)
    assert [label.shape for label in labels] == [(40, 56), (48, 64), (40, 56)]
    for image, label in zip(images, labels, strict=True):
        assert (label != segmenter.predict(image)).mean() < 1e-3


def test_grey_files_and_arrays_count_as_three_equal_channels(segmenter, tmp_path):
    grey = make_image()[..., 0]
    Image.fromarray(grey).save(tmp_path / 'grey.png')
    expected = segmenter.predict(np.stack([grey] * 3, axis=-1))
    assert np.array_equal(segmenter.predict(tmp_path / 'grey.png'), expected)
    assert np.array_equal(segmenter.predict(grey), expected)


def test_alpha_is_left_out(segmenter, tmp_path):
    image = make_image()
    alpha = np.full((*image.shape[:2], 1), 100, np.uint8)
    alpha[:20] = 0
    cv2.imwrite(str(tmp_path / 'a.png'), np.concatenate([image, alpha], axis=2))
    expected = segmenter.predict(image)
    assert np.array_equal(segmenter.predict(tmp_path / 'a.png'), expected)
    assert np.array_equal(segmenter.predict(np.concatenate([image, alpha], axis=2)), expected)


def test_of_16_bits_the_upper_8_count(segmenter, tmp_path):
    image = make_image()
    cv2.imwrite(str(tmp_path / 'a.png'), image.astype(np.uint16) * 256 + 77)
    assert np.array_equal(segmenter.predict(tmp_path / 'a.png'), segmenter.predict(image))


def test_a_photo_that_exif_turns_is_predicted_upright(segmenter, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    photo = Image.fromarray(make_image())
    photo.save(tmp_path / 'turned.jpg', exif=exif, quality=95)
    photo.save(tmp_path / 'plain.jpg', quality=95)
    upright = cv2.rotate(cv2.imread(str(tmp_path / 'plain.jpg')), cv2.ROTATE_90_CLOCKWISE)
    label = segmenter.predict(tmp_path / 'turned.jpg')
    assert label.shape == (64, 48)
    assert np.array_equal(label, segmenter.predict(upright))


def test_a_cmyk_photo_is_converted_as_opencv_does(segmenter, tmp_path):
    Image.fromarray(make_image()).convert('CMYK').save(tmp_path / 'a.jpg', quality=95)
    read = cv2.imread(str(tmp_path / 'a.jpg'))
    assert np.array_equal(segmenter.predict(tmp_path / 'a.jpg'), segmenter.predict(read))


def test_an_image_that_is_too_small_for_the_network_is_named(segmenter):
    with pytest.raises(UsageError, match='does not take 1 images of 1 x 1 pixels'):
        segmenter.predict(make_image(0, 1, 1))


@pytest.mark.parametrize('shape', [(0, 5, 3), (2, 3, 4, 3), (5,)])
def test_arrays_that_are_no_images_are_named(segmenter, shape):
    with pytest.raises(UsageError, match='is no image'):
        segmenter.predict(np.zeros(shape, np.uint8))


@pytest.mark.parametrize('image', [np.zeros((9, 9, 3), np.float32), np.zeros((9, 9, 3), int), None])
def test_what_is_no_image_of_bytes_is_named(segmenter, image):
    with pytest.raises(UsageError, match='is no image'):
        segmenter.predict(image)


def test_images_of_pillow_and_of_16_bits_are_those_of_files(segmenter, tmp_path):
    image = make_image()
    expected = segmenter.predict(image)
    assert np.array_equal(segmenter.predict(image.astype(np.uint16) * 256 + 77), expected)
    pillow = Image.fromarray(image[..., ::-1])
    assert np.array_equal(segmenter.predict(pillow), expected)
    pillow.putalpha(77)
    assert np.array_equal(segmenter.predict(pillow), expected)
    deep = Image.fromarray(image[..., 0].astype(np.uint16) * 256)
    assert np.array_equal(segmenter.predict(deep), segmenter.predict(image[..., 0]))


@pytest.mark.parametrize('said', ['CUDA error: device-side assert triggered', 'weights went'])
def test_errors_that_images_are_not_to_blame_for_stay(segmenter, monkeypatch, said):
    def fail(batch):
        raise RuntimeError(said)

    monkeypatch.setattr(segmenter.model, 'test_step', fail)
    with pytest.raises(RuntimeError, match=said) as error:
        segmenter.predict(make_image())
    assert not isinstance(error.value, UsageError)


def test_weights_that_are_no_numbers_are_refused(run_dir, tmp_path):
    content = torch.load(run_dir / 'best_mIoU_epoch_2.pth', weights_only=False)
    content['state_dict']['decode_head.conv_seg.bias'][3] = float('nan')
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=r'nan or inf in decode_head.conv_seg.bias: its training'):
        Segmenter.from_files(run_dir / 'tiny.py', tmp_path / 'a.pth')


def test_a_file_that_is_cut_off_is_named(segmenter, tmp_path):
    file = tmp_path / 'a.jpg'
    Image.fromarray(make_image()).save(file)
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(UsageError, match='does not decode'):
        segmenter.predict(file)


def test_the_given_config_is_left_as_it_was(run_dir):
    cfg = Config.fromfile(run_dir / 'tiny.py')
    before = cfg.to_dict()
    Segmenter(cfg, run_dir / 'best_mIoU_epoch_2.pth', device='cpu', tta=True)
    assert cfg.to_dict() == before


# the checkpoint of a run


def test_a_torn_best_checkpoint_gives_way_to_the_newest_whole_one(tiny_config, tmp_path):
    run = write_run(tmp_path / 'run', tiny_config)
    best, last = run / 'best_mIoU_epoch_2.pth', run / 'epoch_2.pth'
    whole = best.read_bytes()
    last.write_bytes(whole)
    best.write_bytes(whole[:1000])
    assert Segmenter.from_run(run).checkpoint == str(last)
    last.write_bytes(whole[:1000])
    with pytest.raises(UsageError, match='no whole checkpoint: best_mIoU_epoch_2.pth, epoch_2.pth'):
        Segmenter.from_run(run)
    best.unlink(), last.unlink()
    with pytest.raises(UsageError, match='no checkpoint yet'):
        Segmenter.from_run(run)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match='there is no folder'):
        Segmenter.from_run(tmp_path / 'none')
    with pytest.raises(UsageError, match='holds no config'):
        Segmenter.from_run(tmp_path)


def test_weights_that_do_not_fit_are_refused(run_dir, tmp_path):
    file = tmp_path / 'other.pth'
    content = torch.load(run_dir / 'best_mIoU_epoch_2.pth', weights_only=False)
    content['state_dict'] = {f'x.{key}': value for key, value in content['state_dict'].items()}
    torch.save(content, file)
    with pytest.raises(UsageError, match=r"backbone 0/\d+ .*would fit without 'x.'"):
        Segmenter.from_files(run_dir / 'tiny.py', file)
    cfg = Config.fromfile(run_dir / 'tiny.py')
    cfg.guards = dict(allow_missing=True)
    assert 'going on' in Segmenter(cfg, file).warnings[0]


def test_a_device_that_is_not_there_is_named(run_dir):
    with pytest.raises(UsageError, match='--device cuda:77 cannot be used'):
        Segmenter.from_run(run_dir, device='cuda:77')


# names of classes


def checkpoint_with(run_dir, path, meta):
    content = torch.load(run_dir / 'best_mIoU_epoch_2.pth', weights_only=False)
    torch.save(content | dict(meta=meta), path)
    return path


def test_names_come_from_the_checkpoint_else_from_the_config(run_dir, tmp_path):
    file, config = tmp_path / 'a.pth', run_dir / 'tiny.py'
    own = tuple(f'c{index}' for index in range(21))
    for meta in (dict(dataset_meta=dict(classes=own)), dict(CLASSES=own, PALETTE=None)):
        found = Segmenter.from_files(config, checkpoint_with(run_dir, file, meta))
        assert found.classes == own
        assert len({tuple(colour) for colour in found.palette}) == 21
    found = Segmenter.from_files(config, checkpoint_with(run_dir, file, {}))
    assert found.classes == tuple(METAINFO['classes']) and found.palette == METAINFO['palette']
    given = Segmenter.from_files(config, file, class_names=own)
    assert given.classes == own


def test_given_names_keep_colours_and_encoding_of_the_checkpoint(run_dir, tmp_path):
    own, swapped = METAINFO['classes'], {0: 1, 1: 0}
    meta = dict(dataset_meta=dict(METAINFO, reduce_zero_label=True, label_map=swapped))
    file = checkpoint_with(run_dir, tmp_path / 'a.pth', meta)
    names = [name.upper() for name in own]
    found = Segmenter.from_files(run_dir / 'tiny.py', file, class_names=names).metainfo
    assert found == dict(meta['dataset_meta'], classes=tuple(names))


def test_classes_chosen_of_a_data_set_keep_its_colours_and_labels():
    dataset = dict(type='PascalVOCDataset', metainfo=dict(classes=['cat', 'dog']))
    found = find_metainfo(None, {}, Config(dict(test_dataloader=dict(dataset=dataset))), 2, 'x')
    places = [METAINFO['classes'].index(name) for name in ('cat', 'dog')]
    assert found['palette'] == [METAINFO['palette'][place] for place in places]
    assert [found['label_map'][place] for place in places] == [0, 1]
    assert found['reduce_zero_label'] is False


def test_where_nothing_tells_how_files_count_that_is_said(tmp_path):
    names = ('a', 'b')
    found = find_metainfo(names, {}, Config(), 2, 'x')
    assert 'neither checkpoint nor config says' in Outputs(tmp_path, found).note


def test_missing_names_and_those_of_another_length_are_named(run_dir, tmp_path):
    file = checkpoint_with(run_dir, tmp_path / 'a.pth', {})
    cfg = Config.fromfile(run_dir / 'tiny.py')
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.type = 'BaseSegDataset'
    with pytest.raises(UsageError, match=r"no class names, .*network's 21 classes .*--class-names"):
        Segmenter(cfg, file)
    with pytest.raises(UsageError, match=r'--class-names names 2 classes \(a, b\), .* has 21'):
        Segmenter(cfg, file, class_names=['a', 'b'])
    checkpoint_with(run_dir, file, dict(dataset_meta=dict(classes=('a', 'b', 'c', 'd'))))
    with pytest.raises(UsageError, match=r'dataset_meta names 4 classes \(a, b, c, \.\.\.\)'):
        Segmenter(cfg, file)


def test_class_names_are_read_from_a_file_or_the_command_line(tmp_path):
    file = tmp_path / 'names.txt'
    file.write_text('road\n\ntraffic light\n')
    assert read_class_names([str(file)]) == ['road', 'traffic light']
    assert read_class_names(['road', 'car']) == ['road', 'car']
    assert read_class_names(None) is None
    with pytest.raises(UsageError, match='does not read'):
        read_class_names([str(tmp_path / 'none.txt')])
    with pytest.raises(UsageError, match="'car' twice"):
        read_class_names(['car', 'car'])


def test_made_colours_are_distinct_and_none_is_black():
    colours = {tuple(colour) for colour in make_palette(254)}
    assert len(colours) == 254 and (0, 0, 0) not in colours
    assert len(make_palette(400)) == 400


# the pipeline


def test_stock_loaders_become_ours_that_refuse_torn_images():
    load, pack = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
    ours = dict(type='mmseg_ext.LoadImageFromFile')
    assert refuse_torn_images([load, pack]) == [ours, pack]
    unlike = dict(load, ignore_empty=True)
    assert refuse_torn_images([unlike]) == [unlike]


def test_the_pipeline_of_the_test_set_comes_first():
    test, val = [dict(type='PackSegInputs')], [dict(type='Resize')]
    cfg = Config(dict(val_dataloader=dict(dataset=dict(dataset=dict(pipeline=val)))))
    assert find_pipeline(cfg) == val
    cfg.test_dataloader = dict(dataset=dict(pipeline=test))
    assert find_pipeline(cfg) == test
    assert find_pipeline(Config(dict(test_pipeline=test))) == test
    with pytest.raises(UsageError, match='test_dataloader or test_pipeline'):
        find_pipeline(Config())


def test_arrays_need_a_place_to_come_in(run_dir):
    cfg = Config.fromfile(run_dir / 'tiny.py')
    cfg.test_dataloader.dataset.pipeline = [dict(type='PackSegInputs')]
    segmenter = Segmenter(cfg, run_dir / 'best_mIoU_epoch_2.pth')
    with pytest.raises(UsageError, match='no LoadImageFromFile'):
        segmenter.predict(make_image())


def test_views_are_made_where_the_config_has_none(run_dir):
    cfg = Config.fromfile(run_dir / 'tiny.py')
    cfg.pop('tta_pipeline')
    segmenter = Segmenter(cfg, run_dir / 'best_mIoU_epoch_2.pth', tta=True)
    assert any('no tta_pipeline in the config: made one' in said for said in segmenter.warnings)
    assert segmenter.predict(make_image(height=96, width=130)).shape == (96, 130)
