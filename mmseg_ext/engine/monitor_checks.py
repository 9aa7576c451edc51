"""Schedulers that wait for a metric."""

from mmengine.config import Config

from mmseg_ext.metrics.seg_metrics import COLUMNS

from .config import find_dicts
from .errors import UsageError


def check_monitors(cfg: Config) -> None:
    """Checks that validations give what schedulers wait for.

    MMEngine finds out after the first validation, and ends the run with a KeyError. Metrics of
    classes other than ours and IoUMetric may give any name.

    Raises:
        UsageError: A ``ReduceOnPlateau`` scheduler waits for a name that no metric gives.
    """
    if not cfg.get('train_cfg'):
        return
    loop, kind = cfg.get('val_cfg'), str((cfg.get('val_cfg') or {}).get('type', 'ValLoop'))
    evaluators = cfg.get('val_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    given = [_names_of(evaluator) for evaluator in evaluators]
    names = None if None in given else [name for each in given for name in each]
    for path, scheduler in find_dicts(dict(param_scheduler=cfg.get('param_scheduler')), 'type'):
        if 'ReduceOnPlateau' not in str(scheduler['type']):
            continue
        monitor = scheduler.get('monitor', 'loss')
        if not loop:
            raise UsageError(
                f'{path} ({scheduler["type"]}) waits for {monitor} of validations, of which this '
                'config has none; set val_cfg, val_dataloader and val_evaluator'
            )
        if kind.removeprefix('mmengine.') == 'ValLoop':
            if monitor.startswith('val_'):
                raise UsageError(
                    f'{path} ({scheduler["type"]}) waits for {monitor}, which {kind} does not '
                    "compute; set val_cfg.type='mmseg_ext.ValLoop'"
                )
        elif kind != 'mmseg_ext.ValLoop' or monitor.startswith('val_'):
            continue
        if names is not None and monitor not in names:
            ours = kind == 'mmseg_ext.ValLoop'
            raise UsageError(
                f'{path} ({scheduler["type"]}) waits for monitor={monitor}, which no metric gives; '
                f'there are {", ".join(names)}{", val_loss" if ours else ""}'
                + ('' if ours else ", and with val_cfg.type='mmseg_ext.ValLoop' val_loss")
            )


def _names_of(evaluator: dict) -> list[str] | None:
    """The names that a metric gives; None if that is not known."""
    if evaluator.get('type') not in ('mmseg_ext.SegMetrics', 'IoUMetric', 'mmseg.IoUMetric'):
        return None
    asked = evaluator.get('iou_metrics', ['mIoU'])
    asked = [asked] if isinstance(asked, str) else asked
    scores = [score for name in asked for score in COLUMNS.get(name, ())]
    names = ['aAcc', *(f'm{score}' for score in dict.fromkeys(scores))]
    prefix = evaluator.get('prefix')
    return [f'{prefix}/{name}' for name in names] if prefix else names
