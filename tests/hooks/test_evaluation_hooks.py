"""What the hooks of a test say and stop, on stand-ins of a Runner."""

import io
import logging
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from rich.console import Console

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.hooks import ClassNamesHook, ProgressHook, TruthSizeHook
from mmseg_ext.hooks.tested_classes import TestedClasses


class Images(list):
    """A data set, or its loader with one image a batch."""


def made_runner(classes=('sky', 'traffic light', 'car'), images=4, metrics=()):
    dataset, loader = Images(range(images)), Images(range(images))
    dataset.metainfo = dict(classes=classes, palette=[[0, 0, 0]] * len(classes))
    loader.dataset = dataset
    return SimpleNamespace(
        test_dataloader=loader,
        test_evaluator=SimpleNamespace(metrics=list(metrics)),
        cfg=dict(load_from='file.pth'),
        logger=logging.Logger('test'),
    )


@pytest.fixture
def said():
    """Runs the comparison of names; returns what was logged, and what is said at the end."""

    def said(trained, **settings):
        runner, out, hook = made_runner(**settings), io.StringIO(), ClassNamesHook()
        runner.logger.addHandler(logging.StreamHandler(out))
        meta = {} if trained is None else dict(dataset_meta=dict(classes=trained))
        hook.after_load_checkpoint(runner, dict(meta=meta))
        return out.getvalue(), hook.written

    return said


def test_the_same_names_and_other_spellings_need_no_word(said):
    assert said(['sky', 'traffic light', 'car']) == ('', '')
    assert said(('Sky', 'traffic-light', ' car')) == ('', '')


def test_a_checkpoint_without_names_is_said_and_goes_on(said):
    logged, at_end = said(None)
    assert 'names no classes; the 3 of the data set are taken' in logged and at_end == ''


def test_other_names_are_said_at_the_start_and_at_the_end(said):
    logged, at_end = said(['sky', 'pole', 'car'])
    first = "class 1 is 'pole' there, 'traffic light' here"
    assert first in logged and first in at_end and 'file.pth' in logged


def test_the_same_names_in_another_order_stop_the_test(said):
    with pytest.raises(UsageError, match="class 0 is 'car' there, 'sky' here.*metainfo.classes"):
        said(['car', 'traffic light', 'sky'])


def test_another_number_of_names_stops_the_test(said):
    with pytest.raises(UsageError, match=r'4 \(sky, traffic light, car, ...\), not 3 \(sky'):
        said(['sky', 'traffic light', 'car', 'bus'])


def made_sample(truth, image=(20, 30)):
    sample = SegDataSample(metainfo=dict(img_path='a/b.jpg', ori_shape=image))
    if truth:
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, *truth, dtype=torch.uint8))
    return sample


@pytest.mark.parametrize('nest', [lambda one: [one], lambda one: [[made_sample(None)], [one]]])
def test_a_truth_of_another_size_is_named_before_the_step(nest):
    hook = TruthSizeHook()
    for truth in ((20, 30), None):
        hook.before_test_iter(None, 0, dict(data_samples=nest(made_sample(truth))))
    with pytest.raises(UsageError, match='a/b.jpg: its truth is 15x10, its prediction will'):
        hook.before_test_iter(None, 0, dict(data_samples=nest(made_sample((10, 15)))))


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines():
    out, runner = io.StringIO(), made_runner(images=4)
    console = Console(file=out, force_terminal=True, width=100)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    runner.logger.addHandler(handler)
    hook, stdout = ProgressHook(console), sys.stdout
    hook.before_test_epoch(runner)
    for index in range(4):
        hook.after_test_iter(runner, index, outputs=[made_sample(None)])
        if index == 1:
            runner.logger.info('Epoch(test) [2/4] eta: 0:00:01')
            runner.logger.info('a warning of another kind')
    shown = out.getvalue()
    assert '4/4' in shown and 'img/s' in shown and 'left' in shown
    assert 'a warning of another kind' in shown and 'Epoch(test)' not in shown
    # all is as it was
    assert handler.stream is stream and sys.stdout is stdout
    runner.logger.info('Epoch(test) [4/4] mIoU: 40')
    assert 'mIoU' in stream.getvalue()


def test_in_a_pipe_nothing_changes():
    out, runner = io.StringIO(), made_runner()
    hook = ProgressHook(Console(file=out))
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, outputs=[made_sample(None)])
    assert out.getvalue() == ''


def test_the_ignored_label_is_that_of_the_metric():
    tested = TestedClasses.of(made_runner(metrics=[SimpleNamespace(ignore_index=7)]), ['car'])
    assert tested.ignore_index == 7 and tested.chosen == [2]
    assert TestedClasses.of(made_runner()).ignore_index == 255
    assert TestedClasses.of(made_runner()).chosen == [0, 1, 2]
