"""Says at the end where everything is."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from mmseg_ext.records.files import short_path
from mmseg_ext.records.history import best_of, read_validations
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Logs the last and the best result and the run's files, when a training or a test ends."""

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Notes where this start begins."""
        self.first_iter = runner.iter

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Lists what the training left in its folder."""
        work_dir = Path(runner.work_dir)
        lines = []
        validations = read_validations(work_dir)
        best = best_of(validations)
        if best:
            for what, entry in (('last', validations[-1]), ('best', best)):
                score = entry['metrics'].get('mIoU', float('nan'))
                lines.append(f'{what} mIoU {score:.2f} at {_when(runner, entry)}')
        steps = runner.iter - self.first_iter
        lines += filter(None, (describe_waiting(runner, steps), describe_cost(runner, steps)))
        lines.append(f'everything is in {short_path(work_dir)}:')
        files = {
            Path(runner.cfg.filename or f'{runner.timestamp}.py').name: 'the resolved config',
            'provenance.json': 'command, versions, git state, checksums, for every start',
            'metrics.json': 'every validation, per class',
            'per_class.csv': 'the last validation as a table',
            'confusion.png': 'what was taken for what; the counts are in confusion.npz',
            'bad_samples.json': 'images that did not load, replaced by others',
            'curves.png': 'loss, learning rate, metrics',
            'val_sheet.png': 'validation images, truth, prediction',
            **{path.name: 'checkpoint' for path in sorted(work_dir.glob('*.pth'))},
            f'{runner.timestamp}/': f'log; tensorboard --logdir {short_path(work_dir)}',
        }
        lines += [
            f'  {name:<24} {what}' for name, what in files.items() if (work_dir / name).exists()
        ]
        best_files = sorted(work_dir.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
        checkpoint = best_files[-1] if best_files else find_latest_checkpoint(runner.work_dir)
        if checkpoint:
            config = runner.cfg.filename or 'CONFIG'
            lines.append(f'test it: python tools/test.py {config} {short_path(Path(checkpoint))}')
        runner.logger.info('\n'.join(['training is done', *lines]))

    @master_only
    def after_test(self, runner: Runner) -> None:
        """Names the folder of the test's values, and says what other hooks have written."""
        lines = []
        if runner.test_evaluator.metrics:
            lines.append(f'the values are in {short_path(Path(runner.log_dir))}/test_metrics.json')
        lines += filter(None, (getattr(hook, 'written', '') for hook in runner.hooks))
        runner.logger.info('\n'.join(lines or ['the test is done']))


def describe_cost(runner: Runner, steps: int) -> str | None:
    """What the hooks with ``timed`` methods took of a training step; None if that is not known.

    Args:
        runner: Its ``IterTimerHook`` measures the steps, loading of data included.
        steps: Training steps of this start.
    """
    times = runner.message_hub.log_scalars.get('train/time')
    if not steps or times is None:
        return None
    # a resumed run has the times of earlier starts as well
    step = times.mean(steps)
    cost = sum(getattr(hook, 'seconds', 0.0) for hook in runner.hooks) / steps
    milliseconds = f'{1000 * cost:.1f} ms a step, {cost / step:.1%} of its {1000 * step:.0f} ms'
    return f'checks and records took {milliseconds}'


def describe_waiting(runner: Runner, steps: int) -> str | None:
    """How long a training step waited for data; None if that is not known.

    Args:
        runner: Its ``IterTimerHook`` measures it.
        steps: Training steps of this start.
    """
    scalars = runner.message_hub.log_scalars
    if not steps or 'train/data_time' not in scalars:
        return None
    wait, step = (scalars[f'train/{name}'].mean(steps) for name in ('data_time', 'time'))
    return f'waiting for data took {1000 * wait:.1f} ms a step, {wait / step:.1%}'


def _when(runner: Runner, entry: dict) -> str:
    by_epoch = runner.cfg.log_processor.by_epoch
    return f'epoch {entry["epoch"]}' if by_epoch else f'iteration {entry["iter"]}'
