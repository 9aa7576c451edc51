"""MMEngine's CheckpointHook, which loses no older checkpoint before the new one is on the disk."""

import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from mmseg_ext.engine.checkpoint.files import sum_file
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import remove_remains
from mmseg_ext.registry import HOOKS

FULL = (errno.ENOSPC, errno.EDQUOT)


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """Saves as MMEngine's does; old files go when the new one is whole; survives a full disk.

    Stock removes the oldest and the previous best first, so that a kill or a full disk in between
    can leave none. With ``mmseg_ext.Runner`` each file is also written under a temporary name,
    synced, renamed, and given a checksum.

    On a full disk the error is logged, older files stay, and training goes on; it ends with an
    error if even the last checkpoint could not be saved. Where more than one is kept, the oldest
    makes room before giving up.

    Args:
        max_keep_ckpts: Regular checkpoints kept, -1 for all. While a new one is written there is
            one more.
        **kwargs: As for MMEngine's. An ``out_dir`` on a server keeps MMEngine's own behaviour.

    Raises:
        UsageError: At the end of training, if the last checkpoint could not be saved.
    """

    def __init__(self, max_keep_ckpts: int = -1, **kwargs) -> None:
        remote = '://' in str(kwargs.get('out_dir'))
        super().__init__(max_keep_ckpts=max_keep_ckpts if remote else -1, **kwargs)
        self.num_kept = -1 if remote else max_keep_ckpts
        self.kept: list[Path] = []
        self.failure: str | None = None
        self.trains = False

    def before_train(self, runner: Runner) -> None:
        """Finds the checkpoints of the run so far, and clears up what a kill left half-written."""
        super().before_train(runner)
        self.trains = True
        if '://' in str(self.out_dir):
            return
        done = runner.epoch if self.by_epoch else runner.iter
        pattern = re.compile(re.escape(self.filename_tmpl).replace(r'\{\}', r'(\d+)'))
        found = {}
        for path in Path(self.out_dir).glob('*'):
            match = pattern.fullmatch(path.name)
            # those beyond are another run's
            if match and int(match[1]) <= done:
                found[int(match[1])] = path
        self.kept = [found[step] for step in sorted(found)]
        if done and done in found:
            # a best one that is found before the next save has to be noted in it
            self.last_ckpt = str(found[done])
        if is_main_process():
            remove_remains(Path(self.out_dir))

    def after_train_epoch(self, runner: Runner) -> None:
        """Saves, if it is time, and lets go of the oldest."""
        if self.by_epoch:
            runner.call_hook('before_checkpoint')
            parent = super()
            self._save(runner, lambda: parent.after_train_epoch(runner))

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Saves, if it is time, and lets go of the oldest."""
        if self.by_epoch:
            return
        due = self.every_n_train_iters(runner, self.interval, self.save_begin)
        if due or (self.save_last and self.is_last_train_iter(runner)):
            runner.call_hook('before_checkpoint')
            parent = super()
            self._save(runner, lambda: parent.after_train_iter(runner, *args, **kwargs))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Saves the best, if it is, and lets go of the one before.

        A validation alone, ``Runner.val()`` without a training, saves nothing.
        """
        if not (self.save_best and self.trains):
            return
        runner.call_hook('before_checkpoint')
        before = self._get_best()
        # MMEngine removes what is named here before it saves
        self._set_best(dict.fromkeys(before))
        parent = super()
        self._save(runner, lambda: parent.after_val_epoch(runner, metrics))
        after = self._get_best()
        self._set_best({key: after[key] or before[key] for key in before})
        for key, path in before.items():
            # a run that goes on in another folder leaves the first one's best alone
            own = path and Path(path).parent == Path(self.out_dir)
            if own and after[key] not in (None, path):
                _remove(Path(path))

    def after_train(self, runner: Runner) -> None:
        """Publishes what the config says; raises if the last checkpoint could not be saved."""
        if self.failure:
            raise UsageError(f'the last checkpoint is missing: {self.failure}')
        super().after_train(runner)

    def _save(self, runner: Runner, save: Callable[[], None]) -> None:
        best, last = self._get_best(), self.last_ckpt
        infos = dict(runner.message_hub.runtime_info)
        try:
            save()
        except OSError as error:
            if error.errno not in FULL:
                raise
            failed = self.last_ckpt if self.last_ckpt != last else 'the best checkpoint'
            self._set_best(best)
            self.last_ckpt = last
            _restore(runner, infos)
            self._explain(runner, failed, error, save)
            return
        if self.last_ckpt != last:
            self.failure = None
        self._let_go(runner)

    def _explain(self, runner: Runner, failed: str, error: OSError, save: Callable) -> None:
        if 1 < self.num_kept <= len(self.kept):
            oldest = self.kept.pop(0)
            runner.logger.warning(f'{error.strerror}: {oldest.name} makes room for {failed}')
            _remove(oldest)
            self._save(runner, save)
            return
        free = shutil.disk_usage(self.out_dir).free
        self.failure = f'{failed} could not be saved: {error.strerror} ({free / 1e6:.0f} MB free)'
        older = ', '.join(path.name for path in self.kept) or 'none'
        runner.logger.error(
            f'{self.failure}; older checkpoints are whole ({older}); make room in {self.out_dir}, '
            'training goes on and saves again at the next interval'
        )

    def _let_go(self, runner: Runner) -> None:
        last = Path(self.last_ckpt) if self.last_ckpt else None
        if last and last not in self.kept:
            self.kept.append(last)
        while 0 < self.num_kept < len(self.kept):
            _remove(self.kept.pop(0))
        if last and '://' not in str(self.out_dir) and is_main_process():
            for path in Path(self.out_dir).glob('interrupted_iter_*.pth'):
                if path.stat().st_mtime_ns < last.stat().st_mtime_ns:
                    _remove(path)

    def _get_best(self) -> dict[str, str | None]:
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best(self, best: dict[str, str | None]) -> None:
        if '' in best:
            self.best_ckpt_path = best['']
        elif best:
            self.best_ckpt_path_dict = best


def _restore(runner: Runner, infos: dict) -> None:
    """Puts the message hub's facts about checkpoints back to what they were."""
    for key in list(runner.message_hub.runtime_info):
        if key.startswith(('best_', 'last_ckpt')):
            if key in infos:
                runner.message_hub.update_info(key, infos[key])
            else:
                runner.message_hub.pop_info(key)


@master_only
def _remove(path: Path) -> None:
    if path.is_dir():  # DeepSpeed's are folders
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
        sum_file(path).unlink(missing_ok=True)
