"""Says how much of a network was loaded, and stops where it is too little."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmseg_ext.engine.checkpoint.insist import insist
from mmseg_ext.engine.checkpoint.matching import (
    LoadReport,
    match,
    match_values,
    unwrap,
    weights_of,
)
from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.config import find_dicts
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Reports what ``load_from``, ``--resume`` and ``init_cfg`` filled of the network.

    Training needs ``guards.backbone_share`` of the backbone; resuming and evaluating need
    ``guards.network_share`` of the network. ``guards.allow_missing`` makes a warning of the error.
    MMEngine itself would log a list and go on with whatever was not loaded as initialised.

    ``runner.message_hub`` keeps ``loaded_weights``: ``resume``, ``load_from`` or
    ``backbone.init_cfg``, and the path or address.

    Raises:
        UsageError: Too little was loaded.
    """

    # after EMAHook, which may swap the checkpoint's weights; before anything of the run is written
    priority = 'BELOW_NORMAL'

    def __init__(self):
        self.report: LoadReport | None = None
        self.source = ''
        self.loaded: dict[str, str] = {}
        self.is_training = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares a checkpoint with the network, before MMEngine copies it."""
        is_resumed = runner.cfg.get('resume')
        # mmseg_ext.Runner puts the file there that it resumes
        path = is_resumed if isinstance(is_resumed, str) else runner.cfg.get('load_from')
        report = match(unwrap(runner.model), weights_of(checkpoint))
        self.report = report
        self.source = self._tell(runner, 'resume' if is_resumed else 'load_from', path, report)
        if is_resumed:
            _insist(runner, self.source, report, 'network')
        elif runner.cfg.get('train_cfg'):
            _insist(runner, self.source, report, 'backbone')

    def before_train(self, runner: Runner) -> None:
        """Compares ``init_cfg`` files with the network, unless a checkpoint replaced them."""
        self.is_training = True
        if self.report is not None:
            return
        for path, module in unwrap(runner.model).named_modules():
            for _, init in find_dicts(getattr(module, 'init_cfg', None), 'checkpoint'):
                if init.get('type') == 'Pretrained':
                    self._check_initial(runner, path, module, init)

    def before_val(self, runner: Runner) -> None:
        """Stops a validation without a training if the network was not loaded."""
        self._before_evaluation(runner)

    def before_test(self, runner: Runner) -> None:
        """Stops a test if the network was not loaded."""
        self._before_evaluation(runner)

    def _before_evaluation(self, runner: Runner) -> None:
        if self.report is not None and not self.is_training:
            _insist(runner, self.source, self.report, 'network')

    def _check_initial(self, runner: Runner, path: str, module: nn.Module, init: dict) -> None:
        checkpoint = read_checkpoint(init['checkpoint'], unsafe=read_guards(runner.cfg).unsafe_load)
        prefix = init.get('prefix') or ''
        if prefix and not prefix.endswith('.'):
            prefix += '.'
        weights = {
            name.removeprefix(prefix): weight
            for name, weight in weights_of(checkpoint, ('state_dict', 'model')).items()
            if name.startswith(prefix)
        }
        report = match_values(module, weights, path or None)
        key = f'{path}.init_cfg' if path else 'init_cfg'
        _insist(runner, self._tell(runner, key, init['checkpoint'], report), report, 'backbone')

    def _tell(self, runner: Runner, key: str, path: str, report: LoadReport) -> str:
        """Logs a report and keeps where the weights came from; returns that for messages."""
        source = f'{key}={path}'
        runner.logger.info('\n  '.join([f'loaded {source}: {report}', *report.details()]))
        self.loaded[key] = path
        # what this run loaded: not to be replaced by what the resumed one did
        runner.message_hub.update_info('loaded_weights', dict(self.loaded), resumed=False)
        return source


def _insist(runner: Runner, source: str, report: LoadReport, what: str) -> None:
    """Raises ``UsageError``, or warns, if less than the guard's share of ``what`` was filled."""
    warning = insist(report, source, read_guards(runner.cfg), what)
    if warning:
        runner.logger.warning(warning)
