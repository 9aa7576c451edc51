"""A progress bar for tests."""

import atexit
import logging
import sys
from collections.abc import Sequence

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows a bar with images a second and the time left, where a test runs on a terminal.

    The logger's own lines of progress then go to the log file alone; in pipes and files nothing
    changes. Other lines of the log appear above the bar.

    Args:
        console: Where to; default the terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.bar: Progress | None = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Starts the bar."""
        if not (is_main_process() and self.console.is_terminal):
            return
        self.bar = Progress(
            TextColumn('test'),
            BarColumn(),
            MofNCompleteColumn(),
            _ImagesPerSecond(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.bar.start()
        self.task = self.bar.add_task('test', total=len(runner.test_dataloader.dataset))
        self.streams = {
            handler: handler.stream
            for handler in runner.logger.handlers
            if type(handler) is logging.StreamHandler
        }
        for handler in self.streams:
            handler.addFilter(_is_no_progress)
            handler.setStream(sys.stdout)  # rich's by now, which prints above the bar
        # a test that ends by an error must not leave the terminal without its cursor
        atexit.register(self._stop)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Moves the bar on; the other processes go at the same pace."""
        if self.bar is None:
            return
        # the last images come twice where the sampler pads
        left = self.bar.tasks[0].remaining
        self.bar.advance(self.task, min(left, len(outputs or ()) * get_world_size()))
        if batch_idx + 1 == len(runner.test_dataloader):
            self._stop()

    def _stop(self) -> None:
        self.bar.stop()
        for handler, stream in self.streams.items():
            handler.removeFilter(_is_no_progress)
            handler.setStream(stream)
        atexit.unregister(self._stop)


def _is_no_progress(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith('Epoch(test) [')


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text('' if speed is None else f'{speed:.1f} img/s')
