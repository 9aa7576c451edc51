"""Keeps every validation's values in a file."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.records.files import write_json
from mmseg_ext.records.history import best_of, read_metrics, read_validations
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class MetricsFileHook(Hook):
    """Writes ``metrics.json`` after every validation and ``test_metrics.json`` after a test.

    ``metrics.json`` holds ``started`` (the time stamp of the run's first log folder), ``best`` and
    ``validations``, each with ``epoch``, ``iter``, ``metrics`` (percent, as printed) and
    ``per_class`` (shares; null for a class that never occurs). A resumed run goes on with the file
    and replaces what it does again; a new run in a used folder starts it anew. Values per class
    need a metric that keeps them, as ``mmseg_ext.SegMetrics`` does; with others there are means.
    """

    # after CheckpointHook (VERY_LOW, 90), so that a result on record has its best checkpoint;
    # before the curves are drawn from the file
    priority = 92

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
            metrics=metrics or {},
            per_class=_per_class(runner.val_evaluator),
        )
        earlier = read_validations(Path(runner.work_dir))
        self._write(runner, [old for old in earlier if old['iter'] < runner.iter] + [entry])

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
        content = dict(
            config=runner.cfg.filename,
            checkpoint=runner.cfg.get('load_from'),
            metrics=metrics or {},
            per_class=_per_class(runner.test_evaluator),
        )
        write_json(Path(runner.log_dir) / 'test_metrics.json', content)


def _per_class(evaluator: Evaluator) -> dict:
    values = {}
    for metric in evaluator.metrics:
        values.update(getattr(metric, 'per_class', {}))
    return values
