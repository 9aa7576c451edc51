"""Counts the samples that did not load, and stops when there are too many."""

from pathlib import Path

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.datasets.bad_samples import describe, too_many
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.records.files import read_json, write_json
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class BadSamplesHook(Hook):
    """Logs each training sample that was replaced, and keeps them in ``bad_samples.json``.

    With ``guards = dict(max_bad_samples=N)`` a sample that fails to load is replaced by another of
    the dataset (``SeededDataset``). The run stops when more than N files have failed, those of
    earlier starts included if it was resumed. The file holds ``max_bad_samples`` and ``files``: for
    each image its ``reason``, how many ``times`` it was replaced and the ``first_iter``. There is
    no file where nothing failed. Validation and test replace nothing.

    Of several processes each counts its own until the epoch's end, where they are added up and the
    main one writes the file.

    Raises:
        UsageError: From ``before_train_iter`` and ``after_train_epoch``, with the list.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Takes up the list of the run that is resumed; a new run starts anew."""
        self.allowed = read_guards(runner.cfg).max_bad_samples
        self.file = Path(runner.work_dir) / 'bad_samples.json'
        self.failed = {}
        if is_main_process():
            if runner.iter == 0:
                self.file.unlink(missing_ok=True)
            self.failed = read_json(self.file).get('files', {})

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Looks for replacements in a batch."""
        if not self.allowed:
            return
        is_new = False
        for sample in data_batch['data_samples']:
            for path, reason in sample.get('replaced', ()):
                if path not in self.failed:
                    self.failed[path] = dict(reason=reason, times=0, first_iter=runner.iter)
                    is_new = True
                    runner.logger.warning(
                        f'replaced a sample that does not load, {len(self.failed)} of '
                        f'{self.allowed} allowed: {describe(path, reason)}'
                    )
                self.failed[path]['times'] += 1
        if is_new:
            self._write(self.failed)
            if len(self.failed) > self.allowed:
                raise self._error(self.failed)

    def after_train_epoch(self, runner: Runner) -> None:
        """Adds up what all processes have seen."""
        if not self.allowed:
            return
        everywhere = _add_up(all_gather_object(self.failed))
        if everywhere:
            self._write(everywhere)
            if len(everywhere) > self.allowed:
                raise self._error(everywhere, shared=True)

    def _write(self, failed: dict) -> None:
        if is_main_process():
            write_json(self.file, dict(max_bad_samples=self.allowed, files=failed))

    def _error(self, failed: dict, shared: bool = False) -> UsageError:
        error = too_many({path: entry['reason'] for path, entry in failed.items()}, self.allowed)
        error.shared = shared
        return error


def _add_up(parts: list[dict]) -> dict:
    total = {}
    for part in parts:
        for path, entry in part.items():
            known = total.setdefault(path, dict(entry, times=0))
            known['times'] += entry['times']
            known['first_iter'] = min(known['first_iter'], entry['first_iter'])
    return total
