"""Draws the run's curves."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.records.curves import draw_curves
from mmseg_ext.registry import HOOKS

from .or_warn import or_warn


@HOOKS.register_module()
class CurvesHook(Hook):
    """Draws loss, learning rate and validation metrics to ``curves.png`` after every validation."""

    priority = 94  # after MetricsFileHook

    @master_only
    @or_warn
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Draws what has been logged so far."""
        draw_curves(Path(runner.work_dir))

    @master_only
    @or_warn
    def after_train(self, runner: Runner) -> None:
        """Draws the whole run."""
        draw_curves(Path(runner.work_dir))
