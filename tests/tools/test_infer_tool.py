import csv
import errno
import importlib.util
import json
import resource
import sys

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT
from mmseg.datasets import ADE20KDataset
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.inference import Segmenter
from mmseg_ext.inference.outputs import Outputs
from mmseg_ext.inference.overlay import (
    add_legend_inside,
    blend,
    make_entries,
    make_legend,
    to_rgb,
)
from mmseg_ext.records.panels import MIN_WIDTH, add_legend

sys.path.insert(0, str(ROOT / 'tests/inference'))
from made_runs import make_image, read_video, write_run, write_video


@pytest.fixture(scope='module')
def main():
    spec = importlib.util.spec_from_file_location('infer', ROOT / 'tools/infer.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *words: module.main([str(word) for word in words])


@pytest.fixture(scope='module')
def run_dir(tiny_config, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp('runs') / 'tiny', tiny_config)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    (folder / 'sub').mkdir(parents=True)
    for seed, name in enumerate(['a.png', 'b.png', 'sub/a.png']):
        cv2.imwrite(str(folder / name), make_image(seed, 48 + 8 * (seed == 1)))
    return folder


def read_csv(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def test_a_folder_of_photos(main, run_dir, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    main(run_dir, photos, '--out', out, '--batch-size', 4)
    segmenter = Segmenter.from_run(run_dir)
    rows = read_csv(out / 'classes.csv')
    assert [row['name'] for row in rows] == ['a', 'b', 'sub/a']
    for row in rows:
        label = segmenter.predict(row['image'])
        mask = Image.open(out / f'masks/{row["name"]}.png')
        # VOC's own files have a palette
        assert mask.mode == 'P' and (np.array(mask) != label).mean() < 1e-3
        assert mask.size == (int(row['width']), int(row['height']))
        shares = [float(row[name]) for name in segmenter.classes]
        expected = np.bincount(np.array(mask).ravel(), minlength=21) / label.size
        assert shares == pytest.approx(expected.tolist(), abs=1e-6)
        overlay = cv2.imread(str(out / f'overlays/{row["name"]}.png'))[..., ::-1]
        painted = blend(to_rgb(cv2.imread(row['image'])), np.array(mask), segmenter.palette)
        assert np.array_equal(overlay[: label.shape[0], : label.shape[1]], painted)
    said = capsys.readouterr().out
    assert 'of all pixels' in said and '3 of 3' in said and f'predictions: {out}' in said
    record = json.loads((out / 'predictions.json').read_text())
    assert record['checkpoint'].endswith('best_mIoU_epoch_2.pth') and len(record['classes']) == 21


def test_bad_files_are_named_skipped_and_counted(main, run_dir, photos, tmp_path, capsys):
    (photos / 'torn.png').write_bytes((photos / 'a.png').read_bytes()[:200])
    (photos / 'text.jpg').write_text('hello')
    (tmp_path / 'no.mp4').write_text('hello')
    cv2.imwrite(str(photos / 'dot.png'), make_image(0, 1, 1))
    out = tmp_path / 'out'
    with pytest.raises(SystemExit) as end:
        main(run_dir, photos, tmp_path / 'no.mp4', '--out', out, '--no-overlays')
    assert end.value.code == 1
    said = capsys.readouterr().err
    for name in (
        'torn.png does not',
        'text.jpg does not',
        'dot.png: the network',
        'no.mp4 is no video',
    ):
        assert name in said
    assert '4 of 7 inputs were skipped or cut off' in said
    assert len(read_csv(out / 'classes.csv')) == 3
    assert not (out / 'overlays').exists() and not (out / 'shares').exists()


def test_a_video(main, run_dir, tmp_path, capsys):
    frames = [make_image(seed, 64, 96) for seed in range(7)]
    film = write_video(tmp_path / 'film.mp4', frames)
    decoded = read_video(film)[0]
    main(run_dir, film, '--out', tmp_path / 'out', '--batch-size', 3)
    drawn, fps = read_video(tmp_path / 'out/overlays/film.mp4')
    assert len(drawn) == 7 and fps == 10 and drawn[0].shape == (64, 96, 3)
    rows = read_csv(tmp_path / 'out/shares/film.csv')
    assert [row['seconds'] for row in rows] == [f'{index / 10:.3f}' for index in range(7)]
    segmenter = Segmenter.from_run(run_dir)
    for frame, row in zip(decoded, rows, strict=True):
        expected = np.bincount(segmenter.predict(frame).ravel(), minlength=21) / frame[..., 0].size
        assert [float(row[name]) for name in segmenter.classes] == pytest.approx(expected, abs=1e-3)
    painted = blend(to_rgb(decoded[6]), segmenter.predict(decoded[6]), segmenter.palette)
    # too small for a legend; as far as the codec keeps colours
    assert np.abs(drawn[6][..., ::-1].astype(int) - painted).mean() < 12
    assert not (tmp_path / 'out/masks').exists() and '7 of 7' in capsys.readouterr().out

    main(run_dir, film, '--out', tmp_path / 'out', '--every', 3)
    assert [row['frame'] for row in read_csv(tmp_path / 'out/shares/film.csv')] == ['0', '3', '6']
    drawn, fps = read_video(tmp_path / 'out/overlays/film.mp4')
    assert len(drawn) == 3 and fps == pytest.approx(10 / 3, abs=0.01)


def make_film(path, frames=5):
    return write_video(path, [make_image(seed, 64, 96) for seed in range(frames)])


def test_a_full_disk_leaves_no_broken_film(main, run_dir, tmp_path, capsys, monkeypatch):
    film, out = make_film(tmp_path / 'film.mp4'), tmp_path / 'out'
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(self, images, predict=Segmenter.predict_batch):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        return predict(self, images)

    monkeypatch.setattr(Segmenter, 'predict_batch', fill_up)
    try:
        with pytest.raises(SystemExit):
            main(run_dir, film, '--out', out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 'film.mp4 came out with 0 of 5 frames; is the disk full?' in capsys.readouterr().err
    assert not list((out / 'overlays').iterdir())


def test_an_interrupted_film_keeps_what_is_done(main, run_dir, tmp_path, monkeypatch):
    film, calls = make_film(tmp_path / 'film.mp4'), []

    def interrupt(self, images, predict=Segmenter.predict_batch):
        calls.append(images)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(self, images)

    monkeypatch.setattr(Segmenter, 'predict_batch', interrupt)
    with pytest.raises(KeyboardInterrupt):
        main(run_dir, film, '--out', tmp_path / 'out')
    assert len(read_video(tmp_path / 'out/overlays/film.mp4')[0]) == 2
    assert len(read_csv(tmp_path / 'out/shares/film.csv')) == 2


def test_a_full_disk_ends_the_work_and_names_the_file(main, run_dir, photos, tmp_path, monkeypatch):
    for index in range(60):
        cv2.imwrite(str(photos / f'more{index}.png'), make_image(index))
    calls = []

    def fill_up(self, source, image, label):
        calls.append(source)
        raise OSError(errno.ENOSPC, 'No space left on device', 'masks/a.png')

    monkeypatch.setattr(Outputs, 'add', fill_up)
    with pytest.raises(OSError, match='masks/a.png'):
        main(run_dir, photos, '--out', tmp_path / 'out')
    assert len(calls) < 40


def test_masks_count_as_the_data_set_does(main, tiny_config, photos, tmp_path, capsys):
    """ADE20K's files count from 1."""
    meta = dict(dataset_meta=dict(ADE20KDataset.METAINFO, reduce_zero_label=True, label_map={}))
    changes = {'model.decode_head.num_classes': 150}
    run = write_run(tmp_path / 'ade', tiny_config, meta, **changes)
    main(run, photos / 'a.png', '--out', tmp_path / 'out', '--no-overlays')
    mask = np.array(Image.open(tmp_path / 'out/masks/a.png'))
    assert np.array_equal(mask, Segmenter.from_run(run).predict(photos / 'a.png') + 1)
    assert 'classes 1 to 150' in capsys.readouterr().out


def test_masks_of_checkpoints_without_metainfo_count_as_the_config_says(
    main, tiny_config, photos, tmp_path, capsys
):
    """That ADE20K's files count from 1 is a default of its class."""
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(f'c{index}' for index in range(150)))
    old = dict(CLASSES=ADE20KDataset.METAINFO['classes'], PALETTE=None)
    ade = dict(type='ADE20KDataset', data_root='none', pipeline=[dict(type='LoadImageFromFile')])
    ade['pipeline'].append(dict(type='PackSegInputs'))
    changes = {'model.decode_head.num_classes': 150, 'test_dataloader.dataset': ade}
    for index, (meta, options) in enumerate([({}, ()), (old, ()), ({}, ('--class-names', names))]):
        run = write_run(tmp_path / f'ade{index}', tiny_config, meta, **changes)
        segmenter = Segmenter.from_run(run)
        out = tmp_path / f'out{index}'
        main(run, photos / 'a.png', '--out', out, '--no-overlays', *options)
        mask = np.array(Image.open(out / 'masks/a.png'))
        assert np.array_equal(mask, segmenter.predict(photos / 'a.png') + 1)
        assert 'note' not in capsys.readouterr().out
        if meta == {}:
            assert segmenter.palette == ADE20KDataset.METAINFO['palette']


def test_masks_of_merged_classes_hold_indices(main, tiny_config, photos, tmp_path, capsys):
    names = tuple(f'c{index}' for index in range(21))
    meta = dict(dataset_meta=dict(classes=names, label_map={30: 0, 31: 0}))
    run = write_run(tmp_path / 'merged', tiny_config, meta)
    main(run, photos / 'a.png', '--out', tmp_path / 'out')
    mask = np.array(Image.open(tmp_path / 'out/masks/a.png'))
    assert np.array_equal(mask, Segmenter.from_run(run).predict(photos / 'a.png'))
    assert 'note: masks hold indices of classes: label_map' in capsys.readouterr().out


def test_a_config_and_a_checkpoint_with_names(main, run_dir, photos, tmp_path):
    content = torch.load(run_dir / 'best_mIoU_epoch_2.pth', weights_only=False)
    torch.save(dict(state_dict=content['state_dict']), tmp_path / 'bare.pth')
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(f'c{index}' for index in range(21)))
    words = [
        run_dir / 'tiny.py',
        tmp_path / 'bare.pth',
        photos / 'a.png',
        '--out',
        tmp_path / 'out',
    ]
    main(*words, '--class-names', names, '--classes', 'c3', 'c5', '--alpha', 1, '--tta')
    assert list(read_csv(tmp_path / 'out/classes.csv')[0])[4:7] == ['c0', 'c1', 'c2']
    mask = np.array(Image.open(tmp_path / 'out/masks/a.png'))
    overlay = cv2.imread(str(tmp_path / 'out/overlays/a.png'))[:48, :64]
    others = ~np.isin(mask, [3, 5])
    assert others.any()
    assert np.array_equal(overlay[others], cv2.imread(str(photos / 'a.png'))[others])


def check_error(main, said, *words):
    with pytest.raises(UsageError, match=said):
        main(*words)


def test_what_is_there_is_not_overwritten(main, run_dir, photos, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'mine.txt').touch()
    check_error(main, 'holds files.*--overwrite', run_dir, photos, '--out', out)
    check_error(main, 'is a file', run_dir, photos, '--out', out / 'mine.txt')
    check_error(main, r'lies in --out', run_dir, photos, '--out', photos, '--overwrite')
    main(run_dir, photos, '--out', out, '--overwrite', '--no-overlays')
    main(run_dir, photos / 'a.png', '--out', out, '--no-overlays')
    assert (out / 'mine.txt').exists()


def test_a_folder_takes_predictions_of_one_model(main, run_dir, photos, tmp_path):
    out, best = tmp_path / 'out', run_dir / 'best_mIoU_epoch_2.pth'
    words = ('--out', out, '--no-overlays')
    main(run_dir, photos / 'a.png', *words)
    first = read_csv(out / 'classes.csv')
    main(run_dir, best, photos / 'b.png', *words)
    main(run_dir, photos / 'b.png', *words)
    rows = read_csv(out / 'classes.csv')
    assert [row['name'] for row in rows] == ['a', 'b'] and rows[0] == first[0]
    other = best.with_name('epoch_1.pth')
    other.write_bytes(best.read_bytes())
    again = (run_dir, other, photos / 'b.png', *words)
    check_error(main, r'another model: checkpoint was .*best.*, is .*epoch_1.pth;', *again)
    main(*again, '--overwrite')
    assert [row['name'] for row in read_csv(out / 'classes.csv')] == ['b']
    assert json.loads((out / 'predictions.json').read_text())['checkpoint'] == str(other)
    other.unlink()


def test_a_video_that_is_cut_off_is_told(main, run_dir, tmp_path, capsys, monkeypatch):
    film = make_film(tmp_path / 'film.mp4')
    announced = property(lambda reader: 50)
    monkeypatch.setattr(mmcv.VideoReader, 'frame_cnt', announced)
    with pytest.raises(SystemExit) as end:
        main(run_dir, film, '--out', tmp_path / 'out', '--no-overlays')
    said = capsys.readouterr()
    assert end.value.code == 1 and 'ends after 5 of the 50 frames' in said.err
    assert 'masks' not in said.out and len(read_csv(tmp_path / 'out/shares/film.csv')) == 5


def test_bad_command_lines_are_named(main, run_dir, photos, tmp_path):
    config, weights = run_dir / 'tiny.py', run_dir / 'best_mIoU_epoch_2.pth'
    image = photos / 'a.png'
    out = ('--out', tmp_path / 'out')
    check_error(main, 'there is no folder', tmp_path / 'none', image, *out)
    check_error(main, 'is a file: first comes', image, image, *out)
    check_error(main, 'is no checkpoint', config, image, *out)
    check_error(main, 'is no checkpoint', config, photos, *out)
    check_error(main, 'no input', config, weights, *out)
    check_error(main, 'no checkpoint at', config, tmp_path / 'x.pth', image, *out)
    check_error(main, 'no input', run_dir, weights, *out)
    check_error(main, 'is an address', run_dir, 'https://some.where/a.png', *out)
    check_error(main, 'give cuda, cuda:0 or cpu', run_dir, image, *out, '--device', 'gpu')
    check_error(main, '--alpha 2', run_dir, image, *out, '--alpha', 2)
    check_error(main, '--batch-size 0', run_dir, image, *out, '--batch-size', 0)
    check_error(main, '--every 0', run_dir, image, *out, '--every', 0)
    check_error(
        main, "no class 'aeroplan'; .*aeroplane", run_dir, image, *out, '--classes', 'aeroplan'
    )
    assert not (tmp_path / 'out').exists()


def test_pictures_of_any_kind_of_pixel_can_be_shown():
    bgr = np.array([[[10, 20, 30]]], np.uint8)
    assert to_rgb(bgr).tolist() == [[[30, 20, 10]]]
    assert to_rgb(bgr[..., 0]).tolist() == [[[10, 10, 10]]]
    assert to_rgb(bgr.astype(np.float32)).tolist() == [[[30, 20, 10]]]
    deep = np.array([[0, 65535]], np.uint16)
    assert to_rgb(deep)[0, :, 0].tolist() == [0, 255]
    assert to_rgb(np.full((1, 1), 300, np.uint16)).tolist() == [[[1, 1, 1]]]
    assert to_rgb(np.array([[0, 1.0]], np.float32))[0, :, 0].tolist() == [0, 255]
    assert to_rgb(np.zeros((2, 2, 7), np.uint8)).shape == (2, 2, 3)


def test_a_legend_names_what_is_there_in_its_colour():
    shares = np.array([0.2, 0.0, 0.7, 0.0001, 0.0999])
    classes, palette = 'abcde', [[250, 0, 0], [0, 250, 0], [0, 0, 250], [9, 9, 9], [250, 250, 0]]
    entries = make_entries(shares, classes, palette)
    assert [str(entry) for entry in entries] == ['c 70.0%', 'a 20.0%', 'e 10.0%']
    assert [entry.name for entry in make_entries(shares, classes, palette, [0, 1])] == ['a']
    picture = np.full((40, 30, 3), 7, np.uint8)
    legend = make_legend(shares, classes, palette)
    assert list(legend) == ['c 70.0%', 'a 20.0%', 'e 10.0%']
    wider = add_legend(picture, legend)
    assert np.array_equal(wider[:40, :30], picture) and wider.shape[1] == MIN_WIDTH
    # a name that is too long is cut, not drawn over the edge
    long = add_legend(picture, {'long ' * 30: (250, 0, 0)})
    assert long.shape[1] == MIN_WIDTH and (long[40:, -1] == 255).all()
    many = make_legend(np.full(30, 1 / 30), [f'c{i}' for i in range(30)], [[1, 2, 3]] * 30)
    assert len(many) == 25 and 'and 6 more' in many
    strip = {tuple(colour) for colour in wider[40:].reshape(-1, 3).tolist()}
    assert {(250, 0, 0), (0, 0, 250), (250, 250, 0)} <= strip
    frame = np.full((200, 300, 3), 200, np.uint8)
    inside = add_legend_inside(frame, entries)
    assert inside.shape == frame.shape and np.array_equal(inside[100:], frame[100:])
    assert {(250, 0, 0), (0, 0, 250)} <= {tuple(c) for c in inside[:60].reshape(-1, 3).tolist()}
    assert (frame == 200).all()
    # no room
    assert np.array_equal(add_legend_inside(picture[:8, :8], entries), picture[:8, :8])
