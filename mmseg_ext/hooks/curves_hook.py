"""Draws the run's curves."""

import time
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.records.curves import draw_curves
from mmseg_ext.registry import HOOKS

from .or_warn import or_warn

SHARE = 0.02  # of the time of a run that drawing may take


@HOOKS.register_module()
class CurvesHook(Hook):
    """Draws loss, learning rate and validation metrics to ``curves.png``.

    After a validation, unless the last picture took more than a fiftieth of the time since: 150
    classes take seconds. At the end of the training always.
    """

    priority = 94  # after MetricsFileHook
    drawn = 0.0  # when, in seconds of a clock
    cost = 0.0  # seconds

    @master_only
    @or_warn
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Draws what has been logged so far."""
        if self.cost <= SHARE * (time.monotonic() - self.drawn):
            self._draw(runner)

    @master_only
    @or_warn
    def after_train(self, runner: Runner) -> None:
        """Draws the whole run."""
        self._draw(runner)

    def _draw(self, runner: Runner) -> None:
        start = time.monotonic()
        draw_curves(Path(runner.work_dir))
        self.drawn = time.monotonic()
        self.cost = self.drawn - start
