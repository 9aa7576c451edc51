"""Says at the end where everything is."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.records.history import read_validations
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Logs the last and the best result and the run's files, when a training or a test ends."""

    priority = 'LOWEST'

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Lists what the training left in its folder."""
        work_dir = Path(runner.work_dir)
        lines = []
        scored = [v for v in read_validations(work_dir) if v['metrics'].get('mIoU') is not None]
        if scored:
            best = max(scored, key=lambda entry: entry['metrics']['mIoU'])
            for what, entry in (('last', scored[-1]), ('best', best)):
                lines.append(
                    f'{what} mIoU {entry["metrics"]["mIoU"]:.2f} at {_when(runner, entry)}'
                )
        lines.append(f'everything is in {_short(work_dir)}:')
        files = {
            Path(runner.cfg.filename or f'{runner.timestamp}.py').name: 'the resolved config',
            'metrics.json': 'every validation, per class',
            'curves.png': 'loss, learning rate, metrics',
            'val_sheet.png': 'validation images, truth, prediction',
            **{path.name: 'checkpoint' for path in sorted(work_dir.glob('*.pth'))},
            f'{runner.timestamp}/': f'log; tensorboard --logdir {_short(work_dir)}',
        }
        lines += [
            f'  {name:<24} {what}' for name, what in files.items() if (work_dir / name).exists()
        ]
        checkpoints = sorted(work_dir.glob('best_*.pth')) or sorted(work_dir.glob('*.pth'))
        if checkpoints:
            config = runner.cfg.filename or 'CONFIG'
            lines.append(f'test it: python tools/test.py {config} {_short(checkpoints[0])}')
        runner.logger.info('\n'.join(['training is done', *lines]))

    @master_only
    def after_test(self, runner: Runner) -> None:
        """Names the folder of the test's values."""
        runner.logger.info(f'the values are in {_short(Path(runner.log_dir))}/test_metrics.json')


def _when(runner: Runner, entry: dict) -> str:
    by_epoch = runner.cfg.log_processor.by_epoch
    return f'epoch {entry["epoch"]}' if by_epoch else f'iteration {entry["iter"]}'


def _short(path: Path) -> Path:
    """The path as the user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
