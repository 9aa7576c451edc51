"""Counts the samples that did not load, and stops when there are too many."""

from pathlib import Path

from mmengine.dist import all_gather_object, broadcast_object_list, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.datasets.bad_samples import describe, too_many
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.records.files import read_json, write_json
from mmseg_ext.registry import HOOKS

from .timed import timed

# Iterations from one exchange between processes to the next.
INTERVAL = 50


@HOOKS.register_module()
class BadSamplesHook(Hook):
    """Logs each training sample that was replaced, and keeps them in ``bad_samples.json``.

    With ``guards = dict(max_bad_samples=N)`` a sample that fails to load is replaced by another of
    the dataset (``SeededDataset``). The run stops when more than N files have failed, those of
    earlier starts included if it was resumed. The file holds ``max_bad_samples`` and ``files``: for
    each image its ``reason``, how many ``times`` it was replaced and the ``first_iter``. There is
    no file where nothing failed. Validation and test replace nothing.

    Several processes tell each other what they saw every ``INTERVAL`` iterations, before each
    checkpoint, and when an epoch, or a training in iterations, ends. A process stops at once if one
    too many is in what it saw and was told. If only the sum is too much, all stop at the exchange;
    a checkpoint is saved first. The main process, and the one that stops, write all that they know.

    Raises:
        UsageError: From ``before_train_iter`` and ``after_train_epoch``, with the list.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Takes up the list of the run that is resumed; a new run starts anew."""
        self.allowed = read_guards(runner.cfg).max_bad_samples
        self.file = Path(runner.work_dir) / 'bad_samples.json'
        earlier = [{}]
        if is_main_process():
            if runner.iter == 0:
                self.file.unlink(missing_ok=True)
            earlier = [read_json(self.file).get('files', {})]
        if self.allowed:
            broadcast_object_list(earlier)
        self.earlier = self.others = earlier[0]
        self.own = {}
        self.logged = set(self.earlier)

    @timed
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Looks for replacements in a batch, and exchanges them if it is time."""
        if not self.allowed:
            return
        pairs = [pair for each in data_batch['data_samples'] for pair in each.get('replaced', ())]
        for path, reason in pairs:
            new = dict(reason=reason, times=0, first_iter=runner.iter)
            self.own.setdefault(path, new)['times'] += 1
        if self.every_n_train_iters(runner, INTERVAL):
            # no process raises before: the others would wait for it
            self._exchange(runner, stops=True)
        elif pairs:
            self._record(runner, stops=True)

    def before_checkpoint(self, runner: Runner) -> None:
        """Exchanges, so that a resume knows all; all processes have to call it."""
        if self.allowed:
            self._exchange(runner, stops=False)

    def after_train_epoch(self, runner: Runner) -> None:
        """Exchanges what the last iterations brought."""
        if self.allowed:
            self._exchange(runner, stops=True)

    def _exchange(self, runner: Runner, stops: bool) -> None:
        """Has to run in all processes at the same iteration."""
        parts = all_gather_object(self.own)
        is_any = any(parts)
        parts.pop(get_rank())
        self.others = _add_up([self.earlier, *parts])
        if is_any:
            self._record(runner, stops, shared=True)

    def _record(self, runner: Runner, stops: bool, shared: bool = False) -> None:
        """Logs what is new and writes all; raises if that is too much and it ``stops``."""
        known = _add_up([self.others, self.own])
        for path, entry in known.items():
            if path not in self.logged:
                self.logged.add(path)
                runner.logger.warning(
                    f'replaced a sample that does not load, {len(self.logged)} of '
                    f'{self.allowed} allowed: {describe(path, entry["reason"])}'
                )
        stops = stops and len(known) > self.allowed
        if is_main_process() or (stops and not shared):
            write_json(self.file, dict(max_bad_samples=self.allowed, files=known))
        if stops:
            reasons = {path: entry['reason'] for path, entry in known.items()}
            error = too_many(reasons, self.allowed)
            error.shared = shared
            raise error


def _add_up(parts: list[dict]) -> dict:
    total = {}
    for part in parts:
        for path, entry in part.items():
            known = total.setdefault(path, dict(entry, times=0))
            known['times'] += entry['times']
            known['first_iter'] = min(known['first_iter'], entry['first_iter'])
    # the same order in all processes
    return dict(sorted(total.items(), key=lambda item: (item[1]['first_iter'], item[0])))
