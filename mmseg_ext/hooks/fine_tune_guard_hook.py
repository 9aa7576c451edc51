"""Warns where a fine-tuning would undo the training that it starts from."""

from pathlib import Path

from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmseg_ext.engine.config import is_by_epoch
from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError, found_by_all
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.engine.peak_rates import peak_rates, recorded_peak_rates
from mmseg_ext.records.history import read_validations
from mmseg_ext.registry import HOOKS

SCORE = 'mIoU'
# in every line about peak rates, and about the first validation: what looks for them in a log
# has them from here
PEAK_SAID = 'such a rate undoes that training'
SCORE_SAID = 'at the first validation, under half of the'
COLLAPSED = 0.5  # of the recorded score


@HOOKS.register_module()
class FineTuneGuardHook(Hook):
    """Compares a training that starts with ``load_from`` with the one that made the checkpoint.

    - Peak rate: the highest learning rate of each parameter that the checkpoint fills, over the
      whole schedule and with its own multipliers, against the same in the checkpoint's config.
      From ``guards.peak_rate_ratio`` times on, a line names the part of the network;
      ``guards.strict`` stops.
    - First validation: a line if mIoU lies under half of what the checkpoint had on the same
      classes, by the ``metrics.json`` beside it or by its own record.

    Files without a config, or without a record, are compared with nothing.

    Raises:
        UsageError: From ``after_load_checkpoint``, as above.
    """

    def __init__(self) -> None:
        self.recorded: float | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the rates, and keeps the score for the first validation."""
        cfg = runner.cfg
        # the optimizer is built by train() alone
        if cfg.get('resume') or not isinstance(runner.optim_wrapper, OptimWrapper):
            return
        meta = checkpoint.get('meta') or {}
        try:
            old = parse_config_text(meta.get('cfg') or '')
        except UsageError as error:
            runner.logger.warning(f'{error}: no learning rates are compared')
            old = {}
        self.recorded = score_of(cfg.load_from, checkpoint, old)
        self.classes = (meta.get('dataset_meta') or {}).get('classes')
        if not old or isinstance(runner.optim_wrapper, OptimWrapperDict):
            return
        said = self._compare_rates(runner, checkpoint, old)
        if said and read_guards(cfg).strict:
            raise found_by_all(said)
        if said:
            runner.logger.warning(said)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Compares the first score."""
        recorded, self.recorded = self.recorded, None
        found = (metrics or {}).get(SCORE)
        classes = runner.val_dataloader.dataset.metainfo.get('classes') if recorded else None
        if recorded is None or found is None or not classes:
            return
        if list(classes) == list(self.classes or ()) and found < COLLAPSED * recorded:
            runner.logger.warning(
                f'{SCORE} {found:.2f} {SCORE_SAID} {recorded:.2f} '
                f'that {runner.cfg.load_from} recorded on the same classes; check that its weights '
                'loaded, the learning rate and its warm-up, mean, std and bgr_to_rgb of the '
                'images, reduce_zero_label, and that it was validated on the same data'
            )

    def _compare_rates(self, runner: Runner, checkpoint: dict, old: dict) -> str | None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if is_by_epoch(runner.cfg):
            epochs, length = runner.max_epochs, len(runner.train_dataloader)
        else:
            epochs, length = 1, runner.max_iters
        constructor = runner.cfg.optim_wrapper.get('constructor')
        before, left_out = recorded_peak_rates(model, checkpoint, old, constructor, length)
        if left_out:
            runner.logger.info(
                f'compared with the learning rate of {runner.cfg.load_from} without '
                f'{" and ".join(left_out)}, which cannot be built here'
            )
        now = peak_rates(model, runner.optim_wrapper, runner.param_schedulers or [], epochs, length)
        limit = read_guards(runner.cfg).peak_rate_ratio * (1 - 1e-6)
        # what is not loaded, a head of other classes for one, has no training to lose
        steepest = {}
        for name in _loaded(model, checkpoint) & before.keys() & now.keys():
            part = name.partition('.')[0]
            if before[name] > 0 and now[name] >= limit * before[name]:
                ratio = now[name] / before[name]
                steepest[part] = max(steepest.get(part, (0,)), (ratio, now[name], before[name]))
        if not steepest:
            return None
        parts: dict[str, list[str]] = {}
        for part, (ratio, new, trained) in sorted(steepest.items()):
            said = f'peak {new:.3g}, {ratio:.3g} times the {trained:.3g} that trained '
            parts.setdefault(said, []).append(part)
        listed = '; '.join(
            f'{", ".join(names)}: {said}{runner.cfg.load_from}' for said, names in parts.items()
        )
        return (
            f'{listed}; {PEAK_SAID}: lower optim_wrapper.optimizer.lr or '
            'lr_mult, or raise guards.peak_rate_ratio'
        )


def score_of(source: str, checkpoint: dict, old: dict) -> float | None:
    """What a checkpoint reached, in percent; None where nothing says so.

    From ``metrics.json`` beside the file where that knows the iteration; else what the checkpoint
    itself recorded.

    Args:
        source: Its path or address.
        checkpoint: As loaded.
        old: Its config.
    """
    iteration = (checkpoint.get('meta') or {}).get('iter')
    for entry in read_validations(Path(source).parent):
        if entry['iter'] == iteration and entry['metrics'].get(SCORE) is not None:
            return entry['metrics'][SCORE]
    return recorded_score(checkpoint, old)


def recorded_score(checkpoint: dict, old: dict) -> float | None:
    """The last validation's score that a checkpoint holds, in percent; None if there is none.

    A checkpoint kept as the best was saved after its own validation, so for it that is its own;
    another one was saved before.

    Args:
        checkpoint: As loaded.
        old: Its config, which says what ``best_score`` is a score of.
    """
    hub = checkpoint.get('message_hub') or {}
    history = (hub.get('log_scalars') or {}).get(f'val/{SCORE}')
    if isinstance(history, HistoryBuffer) and len(history.data[0]):
        return float(history.current())
    best = ((old.get('default_hooks') or {}).get('checkpoint') or {}).get('save_best')
    score = (hub.get('runtime_info') or {}).get('best_score')
    return float(score) if best == SCORE and score is not None else None


def _loaded(model, checkpoint: dict) -> set[str]:
    """Names of the parameters that the checkpoint fills."""
    tensors = checkpoint.get('state_dict', checkpoint)
    shapes = {
        name.removeprefix('module.'): getattr(t, 'shape', None) for name, t in tensors.items()
    }
    return {
        name for name, parameter in model.named_parameters() if shapes.get(name) == parameter.shape
    }
