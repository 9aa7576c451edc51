"""tools/test.py with its options, in this process, on a small network of random weights."""

import itertools
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from mmseg_ext.hooks import metrics_file_hook
from mmseg_ext.metrics.functional import confusion_matrix

numbers = itertools.count()
NETWORK_CLASSES = PascalVOCDataset.METAINFO['classes']


@pytest.fixture(scope='module')
def checkpoint(tiny_config, tmp_path_factory):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        network = MODELS.build(Config.fromfile(tiny_config).model)
    # random features give one class everywhere; this makes several of them
    torch.nn.init.normal_(network.decode_head.conv_seg.weight, std=5)
    file = tmp_path_factory.mktemp('weights') / 'random.pth'
    meta = dict(dataset_meta=dict(classes=NETWORK_CLASSES))
    torch.save(dict(state_dict=network.state_dict(), meta=meta), file)
    return file


@pytest.fixture
def run_test(tiny_config, checkpoint, monkeypatch, capsys, tmp_path):
    """Runs the tool on five images; returns its status and what it printed."""

    def run_test(*words, options=(), config=tiny_config, weights=checkpoint):
        name = f'test_tool_{next(numbers)}'
        options = (
            'test_dataloader.dataset.indices=5', f'experiment_name={name}',
            f'visualizer.name={name}', 'log_level=INFO', *options,
        )  # fmt: skip
        argv = [
            'test.py', str(config), str(weights), '--work-dir', str(tmp_path / 'run'),
            '--cfg-options', *options, *map(str, words),
        ]  # fmt: skip
        monkeypatch.setattr(sys, 'argv', argv)
        status = 0
        try:
            runpy.run_path(str(ROOT / 'tools/test.py'), run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run_test


def fails(run_test, *words, **settings):
    """Runs what must fail; returns its one line."""
    status, said = run_test(*words, **settings)
    errors = [line for line in said.splitlines() if line.startswith('error: ')]
    assert status == 2 and len(errors) == 1, said[-2000:]
    return errors[0]


def test_set(config):
    """The test set as the config has it, its first five images, without a pipeline."""
    cfg = Config.fromfile(config)
    changes = dict(data_root=cfg.data_root, pipeline=[], indices=5)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build({**cfg.test_dataloader.dataset, **changes})


test_set.__test__ = False


def score_masks(folder, dataset):
    """mIoU in percent of masks, as their loader reads them."""
    total = 0
    for index in range(len(dataset)):
        truth = np.array(Image.open(dataset.get_data_info(index)['seg_map_path']))
        mask = Image.open(folder / f'{Path(dataset.get_data_info(index)["img_path"]).stem}.png')
        assert mask.mode == 'P'
        labels = [torch.tensor(np.array(each)) for each in (mask, truth)]
        total = total + confusion_matrix(*labels, 21)
    hits = total.diag()
    return float(100 * (hits / (total.sum(0) + total.sum(1) - hits)).nanmean())


def read_test(run_dir):
    (file,) = run_dir.glob('*/test_metrics.json')
    return json.loads(file.read_text())


def read_values(run_dir):
    return read_test(run_dir)['metrics']


@pytest.mark.parametrize('options', [[], ['--tta']])
def test_masks_pictures_and_worst_images_are_those_of_the_scores(
    run_test, tiny_config, tmp_path, options
):
    out, shown = tmp_path / 'masks', tmp_path / 'shown'
    status, said = run_test('--out', out, '--show-dir', shown, '--worst', 2, *options)
    assert status == 0, said[-2000:]
    dataset = test_set(tiny_config)
    names = {Path(dataset.get_data_info(index)['img_path']).stem for index in range(5)}
    assert {file.name for file in out.iterdir()} == {f'{name}.png' for name in names}
    assert {file.name for file in shown.iterdir()} == {f'{name}.png' for name in names}
    values = read_values(tmp_path / 'run')
    assert values['mIoU'] == pytest.approx(score_masks(out, dataset), abs=0.006)
    of = read_test(tmp_path / 'run')
    assert (of['classes'], of['tta'], of['num_images']) == (None, bool(options), 5)
    (summary,) = (tmp_path / 'run').glob('*/worst/worst.json')
    classes = json.loads(summary.read_text())['classes']
    assert list(classes) == list(NETWORK_CLASSES)
    assert 0 < len(classes['background']['images']) <= 2
    for line in (
        f'masks (palette PNG, classes 0 to 20) are in {out}',
        f'pictures of every image are in {shown}',
        'test_metrics.json',
        f'the worst images of each class are in {summary.parent}',
    ):
        assert line in said


def test_tta_without_a_pipeline_of_the_config_says_which_it_made(run_test, tiny_config, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{tiny_config}'\ntta_pipeline = None\n")
    status, said = run_test('--tta', '--out', tmp_path / 'masks', config=own)
    assert status == 0, said[-2000:]
    assert 'no tta_pipeline in the config: made one of the test pipeline, 0.5, 0.75, 1' in said
    values = read_values(tmp_path / 'run')
    masks = score_masks(tmp_path / 'masks', test_set(tiny_config))
    assert values['mIoU'] == pytest.approx(masks, abs=0.006)


NO_TRUTH = 'test_dataloader.dataset.data_prefix.seg_map_path=None'


@pytest.mark.parametrize('option', [NO_TRUTH, 'test_evaluator.format_only=True'])
def test_a_set_without_truth_gives_masks_and_pictures(run_test, tmp_path, option):
    out, shown = tmp_path / 'masks', tmp_path / 'shown'
    status, said = run_test('--out', out, '--show-dir', shown, options=[option])
    assert status == 0, said[-2000:]
    assert 'predictions alone, no metric is computed' in said
    assert len(list(out.iterdir())) == len(list(shown.iterdir())) == 5
    assert not list((tmp_path / 'run').glob('*/test_metrics.json'))
    assert 'test_metrics.json' not in said and f'are in {out}' in said


def test_masks_are_the_same_without_truth_and_in_tta(run_test, tmp_path):
    for name, options in (('with', []), ('without', [NO_TRUTH])):
        status, said = run_test('--tta', '--out', tmp_path / name, options=options)
        assert status == 0, said[-2000:]
    for file in (tmp_path / 'with').iterdir():
        masks = [np.array(Image.open(tmp_path / name / file.name)) for name in ('with', 'without')]
        assert np.array_equal(*masks)


def test_a_set_without_truth_and_nothing_to_write(run_test, tmp_path):
    line = fails(run_test, options=[NO_TRUTH])
    assert 'nothing to evaluate against' in line and '--out DIR writes the predictions' in line
    for option in (['--worst', '3'], ['--classes', 'car']):
        line = fails(run_test, '--out', tmp_path / 'masks', *option, options=[NO_TRUTH])
        assert f'{option[0]} needs truth' in line
    assert not (tmp_path / 'run').exists() and not (tmp_path / 'masks').exists()


def test_a_truth_folder_that_is_not_there_has_both_ways_out(run_test):
    line = fails(run_test, options=['test_dataloader.dataset.data_prefix.seg_map_path=gone'])
    assert 'there is no' in line and '/gone; ' in line
    assert '--out DIR --cfg-options test_evaluator.format_only=True' in line


def test_a_truth_file_that_is_not_there_has_both_ways_out(run_test):
    line = fails(run_test, options=['test_dataloader.dataset.data_prefix.seg_map_path=JPEGImages'])
    assert '/JPEGImages/' in line and 'which does not exist; put it there' in line
    assert '--out DIR --cfg-options test_evaluator.format_only=True' in line


def test_a_network_of_another_number_of_classes_than_the_data(run_test):
    line = fails(run_test, options=['model.decode_head.num_classes=20'])
    assert 'num_classes=20, but test_dataloader.dataset has 21 classes; set num_classes' in line


def test_a_checkpoint_of_another_number_of_classes(run_test, checkpoint, tmp_path):
    names = torch.load(checkpoint)
    names['meta']['dataset_meta']['classes'] = NETWORK_CLASSES[:20]
    torch.save(names, tmp_path / 'other.pth')
    line = fails(run_test, weights=tmp_path / 'other.pth')
    assert 'other.pth was trained on other classes than the test set has: 20 (background' in line


def test_a_checkpoint_without_class_names_is_evaluated_on_chosen_ones(
    run_test, checkpoint, tmp_path, monkeypatch
):
    titles = []
    monkeypatch.setattr(metrics_file_hook, 'draw_confusion', lambda *args: titles.append(args[-1]))
    torch.save(torch.load(checkpoint)['state_dict'], tmp_path / 'bare.pth')
    status, said = run_test('--classes', 'car,background', weights=tmp_path / 'bare.pth')
    assert status == 0, said[-2000:]
    assert read_test(tmp_path / 'run')['classes'] == ['background', 'car']
    assert len(titles) == 1 and titles[0].endswith(' over 2 of 21 classes')
    assert 'names no classes; the 21 of the data set are taken' in said


def test_truth_that_was_resized_with_its_image_is_named(run_test, tiny_config, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"""
_base_ = '{tiny_config}'
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(32, 32)), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
""")
    line = fails(run_test, config=own)
    assert 'its truth is 32x32' in line and 'put LoadAnnotations after Resize' in line


@pytest.mark.parametrize(
    'words, said',
    [
        (['--worst', '0'], '--worst 0: takes a number of images, 1 or more'),
        (['--classes'], 'no class is named; the data set has background, aeroplane'),
        (['--classes', 'car,bycicle'], "has no class 'bycicle'; did you mean bicycle"),
        (['--out', 'README.md'], '--out README.md: README.md is a file; name a folder'),
        (['--out', ''], '--out names no folder'),
        (['--show-dir', 'README.md/x'], 'README.md is a file'),
    ],
)
def test_options_that_make_no_sense(run_test, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(ROOT)
    line = fails(run_test, *words)
    assert said in line
    assert not (tmp_path / 'run').exists()
