"""Saves and stops when the machine wants its place back."""

import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import distributed

from mmseg_ext.engine.checkpoint.files import point_to
from mmseg_ext.engine.command import STOPPED, resume_command
from mmseg_ext.engine.workers import STOP_SIGNALS
from mmseg_ext.registry import HOOKS

from .timed import timed


@HOOKS.register_module()
class InterruptHook(Hook):
    """Ends training with status 0 after SIGTERM or SIGHUP, with everything saved.

    The step that runs is finished; under gradient accumulation, the ones up to the next update.
    All processes agree on the step, over a CPU process group, so that no GPU waits. Then
    ``interrupted_iter_N.pth`` is saved, from which ``--resume`` goes on; it is removed when the
    next regular checkpoint is there. During a validation the state before it is saved, and the
    validation is repeated on resume. Under ``nohup`` SIGHUP is ignored, as it asks.
    """

    priority = 96  # after CheckpointHook, which may save the same step

    def __init__(self) -> None:
        self.signal = 0
        self.group = None
        self.former: dict[int, Any] = {}
        self.common_val_batches = 0

    def before_train(self, runner: Runner) -> None:
        """Takes over the signals."""
        if is_distributed():
            self.group = distributed.new_group(backend='gloo')
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self.former[number] = signal.signal(number, self._note)

    def after_train(self, runner: Runner) -> None:
        """Gives the signals back."""
        for number, handler in self.former.items():
            signal.signal(number, handler)

    @timed
    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Saves and stops, if a signal came."""
        self.signal = self._agree(self.signal)
        wrapper = runner.optim_wrapper
        # the wrapper of several optimizers does not count
        if self.signal and (isinstance(wrapper, OptimWrapperDict) or wrapper.should_update()):
            self._save_and_exit(runner, done=runner.iter + 1)

    def before_val_epoch(self, runner: Runner) -> None:
        """Finds out how many batches all processes have; a sampler may not pad."""
        batches = len(runner.val_dataloader)
        self.common_val_batches = self._agree(batches, distributed.ReduceOp.MIN)

    def after_val_iter(self, runner: Runner, batch_idx: int, *args, **kwargs) -> None:
        """Saves the state before this validation and stops, if a signal came."""
        if batch_idx < self.common_val_batches:
            self.signal = self._agree(self.signal)
            if self.signal:
                for hook in runner.hooks:
                    if isinstance(hook, EMAHook):  # it validates, but does not save, swapped
                        hook.after_val_epoch(runner)
                self._save_and_exit(runner, done=runner.iter)

    def _note(self, number: int, frame) -> None:
        self.signal = number
        if number == getattr(signal, 'SIGHUP', None):
            _leave_terminal()

    def _agree(self, value: int, op=distributed.ReduceOp.MAX) -> int:
        if self.group is None:
            return value
        tensor = torch.tensor([value])
        distributed.all_reduce(tensor, op, group=self.group)
        return int(tensor)

    def _save_and_exit(self, runner: Runner, done: int) -> None:
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        out_dir = hooks[0].out_dir if hooks else runner.work_dir
        runner.call_hook('before_checkpoint')
        checkpoint = Path(out_dir, f'interrupted_iter_{done}.pth')
        meta = dict(epoch=runner.epoch, iter=done)
        name, failed = signal.Signals(self.signal).name, 0
        try:
            runner.save_checkpoint(out_dir, checkpoint.name, meta=meta, by_epoch=False)
        except OSError as error:  # of the main process, which alone writes
            runner.logger.error(f'{name}: {checkpoint} could not be saved: {error}')
            failed = 1
        runner.visualizer.close()  # TensorBoard keeps the last events back
        failed = self._agree(failed)
        if not failed:
            self._report(runner, f'{name}: stopped after iteration {done}', checkpoint)
        sys.exit(failed)

    def _report(self, runner: Runner, what: str, checkpoint: Path) -> None:
        if is_main_process():
            point_to(runner.work_dir, checkpoint)
            runner.logger.warning(
                f'{what}; all of it is in {checkpoint}. To go on: {resume_command()}'
            )
        if STOPPED in os.environ:
            Path(os.environ[STOPPED]).touch()


def _leave_terminal() -> None:
    """Sends output that would go to the lost terminal nowhere; writing to it raises."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for handle in (1, 2):
        if stat.S_ISCHR(os.fstat(handle).st_mode):
            os.dup2(nowhere, handle)
    os.close(nowhere)
