"""The ``--cfg-options`` that keep a recipe on other GPUs."""

from fractions import Fraction

from mmengine.config import Config

from mmseg_ext.engine.config import find_schedulers
from mmseg_ext.engine.errors import UsageError

from .rates import scaled_rate
from .reading import VAL_INTERVAL, Recipe, is_endless
from .rules import Setup, is_adaptive, linear_rate, square_root_rate

# Settings of schedulers that are counted in iterations where by_epoch=False.
COUNTED = ('begin', 'end', 'T_max', 'total_steps', 'step_size', 'milestones', 'periods')
LOOP = ('max_iters', 'val_interval', 'val_begin', 'dynamic_intervals')
SAVING = ('interval', 'save_begin')
AVERAGING = ('interval', 'begin_iter', 'gamma')  # its momentum is gamma / (gamma + iterations)
RATES = ('eta_min', 'eta_max')  # of schedulers


def keep_recipe(recipe: Recipe, setup: Setup) -> dict:
    """The options with which a config trains as it was meant to, with another setup.

    MMEngine's loops, schedulers and hooks count iterations, of which ``accumulative_counts`` make
    one optimizer step. So whatever is counted in iterations is stretched, that the same share of
    the images is seen by then. What counts epochs stays.

    Args:
        recipe: The config on the GPUs that it was written for.
        setup: The setup wanted. If it makes another batch in all, the learning rate follows it: by
            the square root for Adam and its like, otherwise in proportion; so do the ``eta_min``
            and ``eta_max`` of its schedulers.

    Returns:
        Dotted keys and values, only those that change anything.

    Raises:
        UsageError: A scheduler counts in a way that cannot be stretched.
    """
    cfg, old = recipe.cfg, recipe.setup
    stretch = Fraction(old.per_iter, setup.per_iter)
    options = {}
    if setup.batch != old.batch:
        options['train_dataloader.batch_size'] = setup.batch
    if setup.accumulation != old.accumulation:
        options['optim_wrapper.accumulative_counts'] = setup.accumulation
    options.update(_rate_options(cfg, old, setup))
    if not recipe.by_epoch:
        loop = dict(val_interval=VAL_INTERVAL) | dict(cfg.train_cfg)
        options.update(_stretched('train_cfg', loop, LOOP, stretch))
    hooks = cfg.get('default_hooks') or {}
    if hooks.get('checkpoint') and not recipe.save_interval[1]:
        options.update(_stretched('default_hooks.checkpoint', hooks.checkpoint, SAVING, stretch))
    for path, scheduler in find_schedulers(cfg).items():
        if scheduler.get('by_epoch', True):
            _check_conversion(path, scheduler, recipe)
        else:
            options.update(_stretched(path, scheduler, COUNTED, stretch))
            # its rate falls by gamma in every iteration
            if 'Exponential' in str(scheduler['type']) and 'gamma' in scheduler and stretch != 1:
                options[f'{path}.gamma'] = scheduler['gamma'] ** float(1 / stretch)
    for index, hook in enumerate(cfg.get('custom_hooks') or []):
        if str(hook.get('type')).rpartition('.')[2] == 'EMAHook':
            counted = dict(interval=1) | dict(hook)
            if str(hook.get('ema_type')).rpartition('.')[2] == 'MomentumAnnealingEMA':
                counted.setdefault('gamma', 100)  # MMEngine's own
            options.update(_stretched(f'custom_hooks.{index}', counted, AVERAGING, stretch))
    return options


def apply_options(cfg: Config, options: dict) -> Config:
    """A copy of a config with the options, as ``tools/train.py --cfg-options`` makes it."""
    changed = Config(cfg.to_dict(), filename=cfg.filename)
    changed.merge_from_dict(options)
    return changed


def _stretched(path: str, settings: dict, keys: tuple[str, ...], stretch: Fraction) -> dict:
    options = {}
    for key in keys:
        value = settings.get(key)
        new = _stretch(value, stretch)
        if new != value:
            options[f'{path}.{key}'] = new
    return options


def _stretch(value, stretch: Fraction):
    if isinstance(value, (list, tuple)):
        return [_stretch(each, stretch) for each in value]
    # 0 and -1 are no counts: a beginning, and a switch
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        return value
    return max(1, round(value * stretch)) if value < float('inf') else value


def _rate_options(cfg: Config, old: Setup, new: Setup) -> dict:
    rate = scaled_rate(cfg, old)
    if rate is None:
        return {}
    options = {}
    if (cfg.get('auto_scale_lr') or {}).get('enable'):
        options['auto_scale_lr.enable'] = False
    wanted = rate
    if new.total != old.total:
        optimizer = cfg.optim_wrapper.optimizer.type
        rule = square_root_rate if is_adaptive(str(optimizer)) else linear_rate
        wanted = _rounded(rule(rate, old.total, new.total))
        # the schedule's own rates too: a floor that stayed would be another share of the rate
        for path, scheduler in find_schedulers(cfg).items():
            for key in RATES if str(scheduler['type']).endswith('LR') else ():
                if scheduler.get(key):
                    scaled = _rounded(rule(scheduler[key], old.total, new.total))
                    options[f'{path}.{key}'] = scaled
    if wanted != cfg.optim_wrapper.optimizer.lr:
        options['optim_wrapper.optimizer.lr'] = wanted
    return options


def _rounded(rate: float) -> float:
    return float(f'{rate:.6g}')


def _check_conversion(path: str, scheduler: dict, recipe: Recipe) -> None:
    """An endless sampler's epoch, by which MMEngine converts, is as long on any number of GPUs."""
    if scheduler.get('convert_to_iter_based') and is_endless(recipe.cfg.train_dataloader):
        raise UsageError(
            f'{path} counts epochs of an InfiniteSampler, whose length MMEngine takes without '
            'regard to the GPUs; write its begin and end in iterations, with by_epoch=False'
        )
