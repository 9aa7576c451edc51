"""The highest learning rate of each parameter: of a run, and of the one that made a checkpoint."""

from collections.abc import Sequence

from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, _ParamScheduler, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMSEG_CONSTRUCTORS
from torch import nn

from .config import is_by_epoch
from .distributed import recorded_world_size
from .schedules import Simulation, recorded_length

# what the constructors and schedulers of a network that fits less well than it seems may raise
MISFITS = (AssertionError, AttributeError, KeyError, TypeError, ValueError)


def peak_rates(
    model: nn.Module,
    optim_wrapper: OptimWrapper,
    schedulers: Sequence[_ParamScheduler],
    epochs: int,
    epoch_length: int,
) -> dict[str, float]:
    """The highest learning rate of each parameter of ``model`` over a training, by name.

    Args:
        model: The network, unwrapped.
        optim_wrapper: Its optimizer, before the first step.
        schedulers: Built on it.
        epochs: Epochs; 1 in a loop that counts iterations.
        epoch_length: Iterations of an epoch; all of them in such a loop.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    peaks, _ = Simulation(optim_wrapper.param_groups, schedulers).run(epochs, epoch_length)
    # the wrapper's groups may have one more, of the base rate, which holds no parameter
    return {
        names[id(parameter)]: peak
        for group, peak in zip(optim_wrapper.optimizer.param_groups, peaks, strict=False)
        for parameter in group['params']
    }


def recorded_peak_rates(
    model: nn.Module, checkpoint: dict, old: dict, constructor: str | None, epoch_length: int
) -> tuple[dict[str, float], list[str]]:
    """The peak rates of the run that made a checkpoint, from its config against today's network.

    The config is data of unknown origin: no class is looked up by a name of its, but those that
    MMEngine, MMSegmentation or the running config register.

    Args:
        model: The network, unwrapped.
        checkpoint: As loaded.
        old: Its config, from ``parse_config_text``.
        constructor: The running config's ``optim_wrapper.constructor``.
        epoch_length: Iterations of an epoch, in case that the checkpoint does not tell.

    Returns:
        The rates by parameter, empty where the config names none; and what had to be left out.
    """
    optimizer = (old.get('optim_wrapper') or {}).get('optimizer') or {}
    if not isinstance(optimizer.get('lr'), (int, float)):
        return {}, []
    left_out = []
    # the rate depends on the constructor alone, so any optimizer will do
    plain = dict(
        type='OptimWrapper',
        optimizer=dict(
            type='SGD', lr=optimizer['lr'], weight_decay=optimizer.get('weight_decay') or 0.0
        ),
    )
    wrapper = _build_wrapper(model, plain, old['optim_wrapper'], constructor)
    if wrapper is None:
        left_out.append('its rates per parameter (paramwise_cfg)')
        wrapper = build_optim_wrapper(model, plain)
    for group in wrapper.param_groups:
        group['lr'] *= _auto_scale(checkpoint, old)

    epochs, iters = recorded_length(checkpoint, old)
    if not is_by_epoch(old):
        epochs, epoch_length = 1, iters or 1
    elif epochs and iters:
        epoch_length = iters // epochs
    schedulers = build_schedulers(wrapper, old, epochs or 1, epoch_length)
    if schedulers is None:
        left_out.append('its schedule')
    return peak_rates(model, wrapper, schedulers or [], epochs or 1, epoch_length), left_out


def _build_wrapper(
    model: nn.Module, plain: dict, old: dict, constructor: str | None
) -> OptimWrapper | None:
    options = {key: old[key] for key in ('paramwise_cfg', 'constructor') if old.get(key)}
    if isinstance(options.get('paramwise_cfg'), dict):
        options['paramwise_cfg'] = _without_orders(options['paramwise_cfg'])
    MMSEG_CONSTRUCTORS.import_from_location()
    known = {constructor, *OPTIM_WRAPPER_CONSTRUCTORS.module_dict, *MMSEG_CONSTRUCTORS.module_dict}
    if options.get('constructor') and options['constructor'] not in known:
        return None
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')  # a line for each parameter, of an optimizer that trains nothing
    try:
        return build_optim_wrapper(model, dict(plain, **options))
    except MISFITS:
        return None
    finally:
        logger.setLevel(level)


def build_schedulers(
    wrapper: OptimWrapper, cfg: dict, epochs: int, epoch_length: int
) -> list[_ParamScheduler] | None:
    """Builds a config's schedulers as MMEngine's Runner does; None if one is unknown or unfit.

    Args:
        wrapper: The optimizer that they work on.
        cfg: A config with ``param_scheduler``; no package that it names is imported.
        epochs: Epochs of the training; 1 in a loop that counts iterations.
        epoch_length: Iterations of an epoch.
    """
    given = cfg.get('param_scheduler') or []
    schedulers = []
    for scheduler in [given] if isinstance(given, dict) else given:
        if scheduler.get('type') not in PARAM_SCHEDULERS.module_dict:
            return None
        end = epochs if scheduler.get('by_epoch', True) else epochs * epoch_length
        defaults = dict(optimizer=wrapper, epoch_length=epoch_length)
        try:
            options = dict(dict(end=end), **_without_orders(scheduler))
            built = PARAM_SCHEDULERS.build(options, default_args=defaults)
        except MISFITS:
            return None
        schedulers.append(built)
    return schedulers


def _without_orders(options: dict) -> dict:
    """Without ``_scope_`` and its like: MMEngine imports the package that it names."""
    return {key: value for key, value in options.items() if not str(key).startswith('_')}


def _auto_scale(checkpoint: dict, old: dict) -> float:
    """What ``auto_scale_lr`` multiplied the rates with; on as many processes as now, if unknown."""
    setting = old.get('auto_scale_lr') or {}
    batch = (old.get('train_dataloader') or {}).get('batch_size')
    if not setting.get('enable') or not setting.get('base_batch_size') or not batch:
        return 1.0
    processes = recorded_world_size(checkpoint['meta']) or get_world_size()
    return processes * batch / setting['base_batch_size']
