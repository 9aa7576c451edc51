"""What the calculator prints."""

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mmseg_ext.engine.config import find_dicts, find_schedulers

from .rules import Length, Setup, is_adaptive, linear_rate, square_root_rate

if TYPE_CHECKING:
    from .rates import Rates
    from .reading import Recipe


def print_length(console: Console, length: Length, images: int, batches: list[int]) -> None:
    """Prints one length for one or two batches, the one that it is given for first."""
    table = Table('batch in all', *(f'{batch:,}' for batch in batches))
    table.add_row('training images', *[f'{images:,}'] * len(batches))
    table.add_row('epochs', *[_number(length.epochs)] * len(batches))
    iterations = [length.iterations, *(length.samples / batch for batch in batches[1:])]
    table.add_row('iterations an epoch', *(_number(each / length.epochs) for each in iterations))
    table.add_row('iterations', *(f'{round(each):,}' for each in iterations))
    table.add_row('samples seen', *[f'{round(length.samples):,}'] * len(batches))
    console.print(table)


def print_rates(console: Console, rate: float, old: int, new: int) -> None:
    """Prints a learning rate by both rules, and which optimizers each is for."""
    for name, rule, factor, meant in (
        ('linear', linear_rate, f'{new}/{old}', 'SGD (Goyal et al. 2017)'),
        (
            'square root',
            square_root_rate,
            f'sqrt({new}/{old})',
            'Adam, AdamW (Krizhevsky 2014; Malladi et al. 2022)',
        ),
    ):
        said = f'lr {rule(rate, old, new):.6g} = {rate:g} x {factor}'
        console.print(f'{name:12}{said:40}{meant}', highlight=False, soft_wrap=True)


def print_recipes(
    console: Console, old: 'Recipe', new: 'Recipe', rates: 'tuple[Rates, Rates] | None'
) -> None:
    """Prints the leaf's training beside the one on the GPUs at hand.

    Args:
        console: Where to.
        old: The recipe as it was written.
        new: The same with the options.
        rates: The learning rates of both, from ``compare_rates``; None if they are unknown.
    """
    table = Table('', f'as written, {_name(old.setup)}', f'here, {_name(new.setup)}')
    both = (old, new)
    rows = {
        'GPUs x batch x accumulation': [' x '.join(map(str, each.setup)) for each in both],
        'batch in all': [f'{each.setup.total:,}' for each in both],
        'training images': [f'{each.images:,}' for each in both],
        'iterations an epoch': [_number(each.epoch_length) for each in both],
        'iterations': [f'{each.iterations:,}' for each in both],
        'epochs': [_number(each.epochs) for each in both],
        'optimizer steps': [f'{each.steps:,}' for each in both],
        'samples seen': [f'{each.samples:,}' for each in both],
    }
    rows.update(_scheduler_rows(both))
    if rates is not None:
        for mult in rates[0]:
            name = 'lr, highest -> last' if mult == 1 else f'  lr_mult {mult:g}'
            rows[name] = ['{:.4g} -> {:.4g}'.format(*each[mult]) for each in rates]
    rows['validates every'] = [_interval(each, each.val_interval, each.by_epoch) for each in both]
    rows['saves every'] = [_interval(each, *each.save_interval) for each in both]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)


def describe_command(config: str, gpus: int, options: dict) -> str:
    """The command that trains with the options, one to a line, for a shell."""
    start = f'python tools/train.py {shlex.quote(config)}'
    if gpus > 1:
        start = f'tools/dist_train.sh {shlex.quote(config)} {gpus}'
    if not options:
        return start
    words = (shlex.quote(f'{key}={_value(value)}') for key, value in options.items())
    return ' \\\n    '.join([f'{start} --cfg-options', *words])


def list_notes(old: 'Recipe', new: 'Recipe') -> list[str]:
    """What the options do not keep."""
    before, now = old.setup, new.setup
    notes = []
    if before.total != now.total:
        optimizer = str(old.cfg.optim_wrapper.optimizer.type)
        rule = 'the square root of the batch' if is_adaptive(optimizer) else 'the batch'
        said = f'the learning rate follows {rule}, as {optimizer} wants it'
        if not old.cfg.optim_wrapper.optimizer.get('lr'):
            said = f'{optimizer} says no learning rate that could follow'
        notes.append(
            f'a batch of {before.total} cannot be put together from {now.gpus} GPUs x '
            f'{now.batch} or fewer; {now.total} is the nearest, and {said}'
        )
    norms = {str(node['type']) for _, node in find_dicts(old.cfg.get('model') or {}, 'type')}
    # SyncBN goes over all GPUs, BN over one
    share = (before.per_iter, now.per_iter) if 'SyncBN' in norms else (before.batch, now.batch)
    if share[0] != share[1] and norms & {'BN', 'BN2d', 'SyncBN'}:
        why = ': accumulation adds up gradients, not statistics' if now.accumulation > 1 else ''
        notes.append(
            f'BatchNorm takes mean and variance over {share[1]} images instead of {share[0]}{why}'
        )
    if before.batch != now.batch:
        notes.append(
            f'each {now.batch} images have a loss of their own instead of each {before.batch}: '
            'one that averages over valid pixels, or a dice over the batch, is not quite the same'
        )
    if before != now:
        notes.append(
            'images come in another order and are augmented otherwise, so scores differ as between '
            'two seeds'
        )
    return notes


def _scheduler_rows(both: tuple['Recipe', 'Recipe']) -> dict[str, list[str]]:
    rows = {}
    lists = [list(find_schedulers(each.cfg).values()) for each in both]
    for index, pair in enumerate(zip(*lists, strict=True)):
        kind, begin = pair[0]['type'], pair[0].get('begin', 0)
        # LinearLR rises by default, from a third
        warm_up = kind == 'LinearLR' and begin == 0 and pair[0].get('start_factor', 0) < 1
        name = f'{index}: warm-up, {kind}' if warm_up else f'{index}: {kind}'
        cells = []
        for recipe, scheduler in zip(both, pair, strict=True):
            begin, end = recipe.in_iterations(scheduler)
            epochs = f'{_number(begin / recipe.epoch_length)} to '
            epochs += _number(end / recipe.epoch_length)
            cells.append(f'{begin:,} to {end:,} iterations\n{epochs} epochs')
        rows[name] = cells
    return rows


def _interval(recipe: 'Recipe', interval: int, by_epoch: bool) -> str:
    if interval <= 0:
        return 'never'
    iterations = interval * recipe.epoch_length if by_epoch else interval
    epochs = _number(iterations / recipe.epoch_length)
    return f'{round(iterations):,} iterations\n{epochs} epochs'


def _name(setup: Setup) -> str:
    return f'{setup.gpus}xb{setup.batch}'


def _number(value: float) -> str:
    return f'{value:,.2f}'.rstrip('0').rstrip('.')


def _value(value) -> str:
    text = str(value)
    return text.replace(' ', '') if isinstance(value, (list, tuple)) else text
