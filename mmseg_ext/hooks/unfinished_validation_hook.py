"""Makes up for a validation that was cut off."""

from pathlib import Path

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.engine.config import is_by_epoch
from mmseg_ext.records.history import read_validations
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class UnfinishedValidationHook(Hook):
    """Validates before the first step of a resumed run, where ``metrics.json`` lacks that result.

    The checkpoint of an epoch is saved before its validation. Without this a kill during the
    validation would lose its result, and the best checkpoint with it.
    """

    priority = 98  # after the other hooks' own before_train

    def before_train(self, runner: Runner) -> None:
        """Validates, if a result is missing."""
        if not runner.cfg.get('resume') or runner.val_loop is None:
            return
        loop = runner.train_loop
        by_epoch = is_by_epoch(runner.cfg)
        done, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        in_epoch = getattr(loop, 'first_batch', 0)
        if done == 0 or in_epoch or done < loop.val_begin:
            return
        if done % loop.val_interval and done != last:
            return
        if not Path(runner.work_dir, 'metrics.json').exists():
            known = [True]  # a run without that record
        else:
            known = [any(e['iter'] == runner.iter for e in read_validations(Path(runner.work_dir)))]
        broadcast_object_list(known)
        if not known[0]:
            runner.logger.info(
                f'metrics.json lacks the validation after iteration {runner.iter}: making up for it'
            )
            runner.val_loop.run()
