"""Settings of the optimizer and its schedule that have no effect, or another than they seem to."""

import difflib
from collections.abc import Iterator, Sequence

import torch
from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor, _ParamScheduler
from torch import nn

from .config import find_dicts, is_by_epoch
from .errors import UsageError

KEYS = 'optim_wrapper.paramwise_cfg.custom_keys'
# What MMEngine's DefaultOptimWrapperConstructor reads.
OPTIONS = (
    'custom_keys',
    'bias_lr_mult',
    'bias_decay_mult',
    'norm_decay_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'dcn_offset_lr_mult',
    'bypass_duplicate',
)
# A schedule this many times longer than the training is a mistake; a step more is meant.
FAR = 1.5
ENDLESS = 1e9  # MMEngine's "no end"


def check_schedule(cfg: Config) -> None:
    """Checks that epochs end and that schedulers are stepped.

    Raises:
        UsageError: An epoch loop over an endless sampler, or a scheduler that counts epochs in a
            loop that counts iterations.
    """
    loop, loader = cfg.get('train_cfg'), cfg.get('train_dataloader') or {}
    if not loop:
        return
    if is_by_epoch(cfg):
        kind = str(loop.get('type') or 'EpochBasedTrainLoop')
        # another package's loop may count iterations under any name
        if 'EpochBasedTrainLoop' not in kind and not loop.get('max_epochs'):
            return
        for path, sampler in find_dicts(dict(train_dataloader=dict(loader, dataset=None)), 'type'):
            if 'InfiniteSampler' in str(sampler['type']):
                raise UsageError(
                    f'{path}.type={sampler["type"]} never ends the first epoch of '
                    f'{kind}; set {path}.type=DefaultSampler, '
                    'or train_cfg.type=IterBasedTrainLoop and train_cfg.max_iters'
                )
        return
    for path, scheduler in find_dicts(dict(param_scheduler=cfg.get('param_scheduler')), 'type'):
        # those that wait for scores are stepped by validations
        if (
            scheduler.get('by_epoch', True)
            and not scheduler.get('convert_to_iter_based')
            and 'ReduceOnPlateau' not in str(scheduler['type'])
        ):
            raise UsageError(
                f'{path} ({scheduler["type"]}) counts epochs, of which '
                f'{loop.get("type")} has one: it would be stepped after the last iteration alone; '
                'set by_epoch=False, with begin and end in iterations'
            )


def silent_settings(
    model: nn.Module, optim_wrapper: dict, optimizer: torch.optim.Optimizer
) -> Iterator[str]:
    """Says which settings of ``paramwise_cfg`` change nothing.

    MMEngine gives a parameter to the longest of the ``custom_keys`` that its name contains, among
    equally long ones to the first of the alphabet, and ignores the others.

    Args:
        model: The network, wrapped or not.
        optim_wrapper: Its ``optim_wrapper``; other constructors than the default are left alone.
        optimizer: What was built from it; options that MMEngine does not know are handed to it.

    Yields:
        One line for each.
    """
    given = optim_wrapper.get('paramwise_cfg')
    constructor = optim_wrapper.get('constructor', DefaultOptimWrapperConstructor.__name__)
    if not given or constructor != DefaultOptimWrapperConstructor.__name__:
        return
    for name in given:
        if name not in OPTIONS:
            yield (
                f'optim_wrapper.paramwise_cfg.{name} has no effect: there is no such option'
                f'{_nearest(name, OPTIONS)}'
            )
    keys = given.get('custom_keys') or {}
    yield from _unmatched_keys(getattr(model, 'module', model), keys)
    known = ('lr_mult', 'decay_mult', *optimizer.defaults)
    for key, options in keys.items():
        for name in options:
            if name not in known:
                yield (
                    f'{KEYS}.{key}.{name} has no effect: neither MMEngine nor '
                    f'{type(optimizer).__name__} reads it{_nearest(name, known)}'
                )


def unfinished(schedulers: Sequence[_ParamScheduler], epochs: int, iterations: int) -> list[str]:
    """Says which schedulers go on far beyond the training.

    Args:
        schedulers: Built.
        epochs: Length of the training.
        iterations: Likewise.
    """
    said = []
    for index, scheduler in enumerate(schedulers):
        length, unit = (epochs, 'epochs') if scheduler.by_epoch else (iterations, 'iterations')
        end = scheduler.end
        if FAR * length < end < ENDLESS:
            said.append(
                f'param_scheduler[{index}] ({type(scheduler).__name__}) ends after {end:,} {unit}, '
                f'the training after {length:,}: its value will not get there; check end and '
                'by_epoch'
            )
    return said


def _unmatched_keys(network: nn.Module, keys: dict[str, dict]) -> Iterator[str]:
    names = [name for name, each in network.named_parameters() if each.requires_grad]
    order = sorted(sorted(keys), key=len, reverse=True)
    for key in keys:
        matched = [name for name in names if key in name]
        if not matched:
            pieces = sorted({piece for name in names for piece in name.split('.')})
            yield (
                f'{KEYS}.{key} has no effect: no parameter that is trained has it in its name'
                f'{_nearest(key, pieces)}'
            )
            continue
        winners = {next(each for each in order if each in name) for name in matched}
        if key not in winners and any(keys[each] != keys[key] for each in winners):
            yield (
                f'{KEYS}.{key} has no effect: each of its {len(matched)} parameters goes to '
                f'{" or ".join(sorted(winners))}, which MMEngine tries before it'
            )


def _nearest(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f'; the nearest there are: {", ".join(nearest)}' if nearest else ''
