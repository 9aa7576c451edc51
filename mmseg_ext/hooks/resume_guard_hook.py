"""Says which changed settings a resumed run will obey, and stops where it would ignore some."""

import math

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmseg_ext.engine.changes import Difference, Effect, classify, compare
from mmseg_ext.engine.config import is_by_epoch
from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.distributed import recorded_world_size
from mmseg_ext.engine.errors import UsageError, found_by_all
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.engine.schedules import Simulation, recorded_length
from mmseg_ext.registry import HOOKS

# MMSegmentation's own schedules end at 1% of their rate (0.01 to 1e-4), which still trains
IDLE_SHARE = 0.01
MAX_LISTED = 20


@HOOKS.register_module()
class ResumeGuardHook(Hook):
    """Compares the running config with the checkpoint's when a run is resumed.

    - A checkpoint without optimizer or schedules, which would begin anew in silence, stops the run.
    - It logs every difference: one that takes effect, one in how weights are initialised, which
      are not used, one that is ignored because the checkpoint restores that state, or one that is
      half overruled. The latter two stop the run.
    - It works out the learning rate after the end of the restored schedule. If more of the run lies
      there than was planned, since ``max_epochs`` grew or the epochs did, and the rate is under 1%
      of the peak, the run stops; where it is higher, a line says what it is.
    - ``guards.resume_anyway`` goes on after all three.

    Raises:
        UsageError: From ``after_load_checkpoint``, as above, or if nothing can be resumed: the file
            does not say at which step it was saved, or the optimizer has another number of
            parameter groups.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares, before the state is restored."""
        # the optimizer is built by train() alone
        if not runner.cfg.get('resume') or not isinstance(runner.optim_wrapper, OptimWrapper):
            return
        resume = runner.cfg.resume
        # mmseg_ext.Runner puts the file there that it resumes
        self.file = resume if isinstance(resume, str) else runner.cfg.get('load_from')
        anyway = read_guards(runner.cfg).resume_anyway
        self._check_states(runner, checkpoint, anyway)
        try:
            old = parse_config_text(checkpoint['meta'].get('cfg', ''))
        except UsageError as error:
            if not anyway:
                raise found_by_all(f'{error}; {self._way_out()}') from error
            runner.logger.warning(f'{error}: no changed setting can be listed')
            old = {}
        problems = [self._compare(runner, checkpoint, old)] if old else []
        if not isinstance(runner.optim_wrapper, OptimWrapperDict):
            self._check_groups(runner, checkpoint)
            problems.append(self._check_schedule(runner, checkpoint, old))
        problems = [problem for problem in problems if problem]
        if problems and anyway:
            runner.logger.warning(f'resumed anyway: {"; ".join(problems)}')
        elif problems:
            raise found_by_all(f'--resume: {"; ".join(problems)}; {self._way_out()}')

    def _way_out(self) -> str:
        return (
            f'to train on with other settings, fine-tune: load_from={self.file}, without --resume; '
            "to go on with the checkpoint's: --resume-anyway (guards.resume_anyway=True)"
        )

    def _check_states(self, runner: Runner, checkpoint: dict, anyway: bool) -> None:
        """Stops where there is nothing to go on from; MMEngine would begin anew, or fail."""
        meta = checkpoint.get('meta')
        fine_tune = f'fine-tune with load_from={self.file}, without --resume'
        if not isinstance(meta, dict) or not {'epoch', 'iter'} <= meta.keys():
            raise found_by_all(
                f'--resume: {self.file} does not say at which epoch and iteration it was saved '
                f'(published files and bare weights do not): {fine_tune}, or resume an epoch_N.pth'
            )
        lacking = [] if checkpoint.get('optimizer') else ['optimizer']
        if runner.param_schedulers and not checkpoint.get('param_schedulers'):
            lacking.append('schedule')
        if not lacking:
            return
        lacks = f'{self.file} holds no {" and no ".join(lacking)} state'
        if not anyway:
            raise found_by_all(
                f'--resume: {lacks} (best_*.pth do not): {fine_tune}, or resume an epoch_N.pth; '
                f'to go on with a fresh {" and ".join(lacking)}: --resume-anyway '
                '(guards.resume_anyway=True)'
            )
        runner.logger.warning(f'resumed anyway: {lacks}, so that begins anew')

    def _compare(self, runner: Runner, checkpoint: dict, old: dict) -> str:
        """Logs what changed; returns what the checkpoint overrules of it."""
        new = parse_config_text(runner.cfg.pretty_text)
        found: dict[Effect, list[Difference]] = {effect: [] for effect in Effect}
        for difference in compare(old, new):
            effect = classify(difference, checkpoint)
            if effect is Effect.TAKEN or not _same_in_force(difference, runner, checkpoint):
                found[effect].append(difference)
        processes = recorded_world_size(checkpoint['meta'])
        if processes not in (None, get_world_size()):
            found[Effect.TAKEN].append(
                Difference('number of processes', processes, get_world_size())
            )
        lines = [
            f'{effect.value}: {difference}' for effect in Effect for difference in found[effect]
        ]
        if lines:
            more = [f'and {len(lines) - MAX_LISTED} more'] if len(lines) > MAX_LISTED else []
            listed = ['resumed with changed settings', *lines[:MAX_LISTED], *more]
            runner.logger.info('\n  '.join(listed))
        return '; '.join(
            f'{effect.value}: {", ".join(map(str, found[effect]))}'
            for effect in (Effect.IGNORED, Effect.MIXED)
            if found[effect]
        )

    def _check_groups(self, runner: Runner, checkpoint: dict) -> None:
        """Says what torch would say without a way out."""
        now = len(runner.optim_wrapper.optimizer.param_groups)
        before = len(checkpoint.get('optimizer', {}).get('param_groups', range(now)))
        if now != before:
            raise found_by_all(
                f'--resume: the optimizer has {now} parameter groups, in {self.file} it has '
                f'{before}, so its state does not fit (paramwise_cfg, frozen layers or the network '
                f'were changed); fine-tune instead: load_from={self.file}, without --resume'
            )

    def _check_schedule(self, runner: Runner, checkpoint: dict, old: dict) -> str | None:
        """Logs or returns what the rate is after the end of the restored schedule."""
        if not checkpoint.get('param_schedulers') or not checkpoint.get('optimizer'):
            return None
        if not runner.param_schedulers:
            return None
        optimizer = checkpoint['optimizer']
        groups = list(optimizer['param_groups'])
        if optimizer.get('base_param_settings'):
            groups.append(optimizer['base_param_settings'])
        simulation = Simulation(groups, runner.param_schedulers, checkpoint['param_schedulers'])
        if not simulation.schedulers:
            return None

        meta = checkpoint['meta']
        if is_by_epoch(runner.cfg):
            unit, last, length = 'epoch', runner.max_epochs, len(runner.train_dataloader)
            steps = dict(epochs=last - meta['epoch'], epoch_length=length, epoch=meta['epoch'])
        else:
            unit, last, length = 'iteration', runner.max_iters, None
            steps = dict(epochs=1, epoch_length=last - meta['iter'])
        end = simulation.end(length)
        epochs, iters = recorded_length(checkpoint, old)
        planned_last = (epochs if length else iters) or last
        planned_end = simulation.end(iters // epochs if length and epochs and iters else length)
        if end >= last + 1 and planned_end < planned_last + 1:
            runner.logger.warning(
                f'the schedule, restored from the checkpoint, ends at {unit} {math.ceil(end)}, the '
                f'run at {last}: the learning rate will not have come down'
            )
        if last - end < max(planned_last - planned_end, 0) + 1:
            return None
        _, final = simulation.run(**steps, done=meta['iter'])
        where = f'{unit}s {math.ceil(end) + 1} to {last}'
        said = (
            f'the learning rate stays at {_rates(final)} for {where}, because the schedule, '
            f'restored from the checkpoint, ended at {unit} {math.ceil(end)}'
        )
        if all(
            rate < IDLE_SHARE * _peak(group) * (1 - 1e-6)
            for rate, group in zip(final, groups, strict=True)
            if _peak(group) > 0
        ):
            return said
        runner.logger.info(said)
        return None


def _peak(group: dict) -> float:
    return float(group.get('max_lr', group.get('initial_lr', group['lr'])))


def _rates(rates: list[float]) -> str:
    low, high = min(rates), max(rates)
    return f'{high:.3g}' if low == high else f'{low:.3g} to {high:.3g}'


def _same_in_force(difference: Difference, runner: Runner, checkpoint: dict) -> bool:
    """Whether a setting that one config leaves out has the value that the other one spells out."""
    if None not in (difference.old, difference.new):
        return False
    holder, _, name = difference.path.rpartition('.')
    missing = object()
    if holder == 'optim_wrapper.optimizer':
        now = runner.optim_wrapper.optimizer.param_groups[0].get(name, missing)
        return now == checkpoint['optimizer']['param_groups'][0].get(name)
    if holder.startswith('param_scheduler') and isinstance(runner.param_schedulers, list):
        index = int(holder.partition('[')[2].rstrip(']') or 0)
        now = runner.param_schedulers[index].state_dict().get(name, missing)
        return now == checkpoint['param_schedulers'][index].get(name)
    return False
