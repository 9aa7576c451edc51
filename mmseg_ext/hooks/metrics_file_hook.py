"""Keeps every evaluation's values in files."""

import math
from pathlib import Path

from mmengine.dist import master_only
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook, LoggerHook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from mmseg_ext.engine.class_names import of_classes
from mmseg_ext.records.confusion import draw_confusion, write_confusion
from mmseg_ext.records.files import write_json
from mmseg_ext.records.history import best_of, read_metrics, read_validations
from mmseg_ext.records.per_class import write_per_class
from mmseg_ext.registry import HOOKS

from .or_warn import or_warn

# Scores whose values per class go to TensorBoard: the others follow from them.
PLOTTED = ('IoU', 'Acc', 'Precision')


@HOOKS.register_module()
class MetricsFileHook(Hook):
    """Writes ``metrics.json`` after every validation and ``test_metrics.json`` after a test.

    ``metrics.json`` holds ``started`` (the time stamp of the run's first log folder), ``best`` and
    ``validations``, each with ``epoch``, ``iter``, ``metrics`` (percent, as printed), ``means``
    (percent, all that ``mmseg_ext.SegMetrics`` knows, whatever is printed) and ``per_class``
    (shares; null for a class that never occurs). A resumed run goes on with the file and replaces
    what it does again; a new run in a used folder starts it anew.

    Beside it lie, of the last validation, ``per_class.csv`` and ``confusion.npz``, and, drawn when
    the training ends, since that takes seconds at 150 classes, ``confusion.png``; beside
    ``test_metrics.json`` those of the test. That file says besides what its numbers are over:
    ``classes`` (the chosen names; null for all), ``tta`` and ``num_images``. IoU, Acc and Precision
    of every class go to the visualizer's backends, TensorBoard say, as ``per_class/IoU/NAME``, at
    the step at which the logger counts a validation.

    Other metrics than ``mmseg_ext.SegMetrics`` keep no values per class; then there are ``metrics``
    alone. Of several ``mmseg_ext.SegMetrics`` all but ``metrics`` are of the first.
    """

    # after CheckpointHook (VERY_LOW, 90), so that a result on record has its best checkpoint;
    # before the curves are drawn from the file
    priority = 92
    last = ''

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Starts the file, unless the run was resumed."""
        if runner.iter == 0:
            self._write(runner, [])

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Adds this validation."""
        # by the time of a validation the epoch counter stands at the epochs done
        entry = dict(
            epoch=runner.epoch,
            iter=runner.iter,
            **_values(metrics, runner.val_evaluator),
        )
        earlier = read_validations(Path(runner.work_dir))
        self._write(runner, [old for old in earlier if old['iter'] < runner.iter] + [entry])
        _write_tables(Path(runner.work_dir), runner.val_evaluator)
        self._add_scalars(runner, entry['per_class'])
        self.last = f'epoch {runner.epoch}, iteration {runner.iter}'

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draws the confusion matrix of the last validation."""
        if self.last:
            self._draw(runner, Path(runner.work_dir), runner.val_evaluator, self.last)

    def _write(self, runner: Runner, validations: list[dict]) -> None:
        work_dir = Path(runner.work_dir)
        earlier = read_metrics(work_dir) if validations else {}
        content = dict(
            config=runner.cfg.filename,
            started=earlier.get('started', runner.timestamp),
            best=best_of(validations),
            validations=validations,
        )
        write_json(work_dir / 'metrics.json', content)

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Writes the test's values, with the checkpoint they belong to."""
        folder, checkpoint = Path(runner.log_dir), runner.cfg.get('load_from')
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        content = dict(
            config=runner.cfg.filename,
            checkpoint=checkpoint,
            classes=next((each.chosen for each in _with_confusion(runner.test_evaluator)), None),
            tta=isinstance(model, BaseTTAModel),
            num_images=len(runner.test_dataloader.dataset),
            **_values(metrics, runner.test_evaluator),
        )
        write_json(folder / 'test_metrics.json', content)
        _write_tables(folder, runner.test_evaluator)
        self._draw(runner, folder, runner.test_evaluator, Path(checkpoint or 'test').name)

    def _add_scalars(self, runner: Runner, per_class: dict) -> None:
        scalars = {
            f'per_class/{score}/{name.strip()}': share
            for score in PLOTTED
            for name, share in per_class.get(score, {}).items()
            if not math.isnan(share)
        }
        logger = next((hook for hook in runner.hooks if isinstance(hook, LoggerHook)), None)
        if scalars and logger:
            step = runner.epoch if logger.log_metric_by_epoch else runner.iter
            runner.visualizer.add_scalars(scalars, step=step)

    @or_warn
    def _draw(self, runner: Runner, folder: Path, evaluator: Evaluator, what: str) -> None:
        for metric in _with_confusion(evaluator):
            confusion, classes = metric.confusion.numpy(), metric.dataset_meta['classes']
            part = of_classes(metric.chosen, classes)
            title = f'{what}: mIoU {metric.means["mIoU"]:.2f}{part}'
            draw_confusion(folder / 'confusion.png', confusion, classes, title)


def _with_confusion(evaluator: Evaluator) -> list[BaseMetric]:
    """The metric that knows the confusion matrix, if there is one; the first of several."""
    metrics = evaluator.metrics
    return [each for each in metrics if getattr(each, 'confusion', None) is not None][:1]


def _values(metrics: dict | None, evaluator: Evaluator) -> dict:
    values = dict(metrics=metrics or {}, means={}, per_class={})
    for metric in _with_confusion(evaluator):
        values.update(means=metric.means, per_class=metric.per_class)
    return values


def _write_tables(folder: Path, evaluator: Evaluator) -> None:
    for metric in _with_confusion(evaluator):
        confusion, classes = metric.confusion.numpy(), metric.dataset_meta['classes']
        write_confusion(folder / 'confusion.npz', confusion, classes)
        write_per_class(folder / 'per_class.csv', metric.per_class, confusion, classes)
