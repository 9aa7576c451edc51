"""The learning rates that a training goes through."""

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from mmseg_ext.engine.config import find_schedulers
from mmseg_ext.engine.peak_rates import build_schedulers
from mmseg_ext.engine.schedules import Simulation

from .reading import Recipe
from .rules import Setup

# Iterations beyond which stepping takes seconds: 55,000 a second on one core.
LONG = 200_000

Rates = dict[float, tuple[float, float]]


def scaled_rate(cfg: Config, setup: Setup) -> float | None:
    """The base learning rate, with what ``auto_scale_lr`` makes of it; None if there is none.

    MMEngine's own scaling knows the images of an iteration and no accumulation.
    """
    rate = ((cfg.get('optim_wrapper') or {}).get('optimizer') or {}).get('lr')
    if not isinstance(rate, (int, float)):
        return None
    scaling = cfg.get('auto_scale_lr') or {}
    if scaling.get('enable') and scaling.get('base_batch_size'):
        return rate * setup.per_iter / scaling['base_batch_size']
    return float(rate)


def find_rates(recipe: Recipe, base: float | None) -> Rates | None:
    """The highest and the last learning rate in force, by ``lr_mult``; None if they are unknown.

    The schedulers themselves are stepped. ``paramwise_cfg`` counts by its ``lr_mult`` alone: which
    parameters those concern depends on the network.

    Args:
        recipe: The training.
        base: Its base rate, from ``scaled_rate``, or another.
    """
    if base is None:
        return None
    keys = (recipe.cfg.optim_wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    mults = list(dict.fromkeys([1.0, *(float(key.get('lr_mult', 1)) for key in keys.values())]))
    groups = [dict(params=[torch.zeros(1, requires_grad=True)], lr=base * each) for each in mults]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=base))
    schedulers = [dict(each) for each in find_schedulers(recipe.cfg).values()]
    for scheduler in schedulers:
        length = recipe.epochs if scheduler.get('by_epoch', True) else recipe.iterations
        scheduler.setdefault('end', length)
    built = build_schedulers(
        wrapper, dict(param_scheduler=schedulers), recipe.epochs, max(1, round(recipe.epoch_length))
    )
    if built is None:
        return None
    simulation = Simulation(wrapper.param_groups, built)
    lengths = (recipe.epochs, recipe.epoch_length) if recipe.by_epoch else (1, recipe.iterations)
    steps = simulation.in_force(*map(round, lengths))
    highest = last = next(steps)
    for last in steps:
        highest = list(map(max, highest, last))
    return {
        mult: (highest[place], last[place])
        for mult, place in zip(mults, simulation.places, strict=False)
    }


def compare_rates(old: Recipe, new: Recipe) -> tuple[Rates, Rates] | None:
    """The rates of a recipe and of the same on other GPUs; None if they are unknown.

    Each is stepped by itself. A long one whose every count is a whole multiple passes through the
    old rates, and through others between them: those are not looked for.

    Args:
        old: The training as it was written.
        new: With the options of ``keep_recipe``.
    """
    bases = [scaled_rate(each.cfg, each.setup) for each in (old, new)]
    times, rest = divmod(old.setup.per_iter, new.setup.per_iter)
    whole = not rest and new.iterations == times * old.iterations
    same = whole and bases[0] == bases[1] and (times == 1 or new.iterations > LONG)
    before = find_rates(old, bases[0])
    now = before if same else find_rates(new, bases[1])
    return (before, now) if before and now else None
