"""What a run reached and where it stopped rising, in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .plateau import find_plateau
from .run_history import RunHistory

NAME = 20  # columns that the name of a run gets at least


def describe_plateau(run: RunHistory) -> str:
    """One line: where mIoU stopped rising, that it is still rising, or that nobody can say."""
    scored = run.scored
    if not scored:
        return f'{run.name}: no validation has an mIoU'
    scores = [entry['metrics']['mIoU'] for entry in scored]
    plateau = find_plateau([entry['iter'] for entry in scored], scores)
    if plateau is None:
        return f'{run.name}: too few validations ({len(scored)}) to say whether mIoU is rising'
    best = max(scores)
    place = scored[plateau.index]
    said = f'{scores[plateau.index]:.2f} at {_when(place)}, best {best:.2f}'
    if plateau.is_rising:
        return f'{run.name}: mIoU is still rising at the end ({said})'
    fell = best - scores[-1]
    tail = f'; fell to {scores[-1]:.2f} at the end' if fell > plateau.tolerance else ''
    return (
        f'{run.name}: mIoU stopped rising at {_when(place)}: {scores[plateau.index]:.2f}, within '
        f'{plateau.tolerance:.2f} of the best, {best:.2f}{tail}'
    )


def print_scores(console: Console, runs: Sequence[RunHistory]) -> None:
    """Prints a row a run: best and last mIoU, and when; the last loss; how many validations."""
    table = Table(box=None, pad_edge=False)
    table.add_column('run', overflow='fold', min_width=NAME)
    for name in ('best', 'at', 'last', 'at', 'loss', 'vals'):
        table.add_column(name, justify='left' if name == 'at' else 'right', no_wrap=True)
    for run in runs:
        cells = ['-'] * 4
        if run.scored:
            for start, entry in ((0, max(run.scored, key=_miou)), (2, run.scored[-1])):
                cells[start : start + 2] = f'{_miou(entry):.2f}', _briefly(entry)
        losses = [line['loss'] for line in run.scalars if line.get('loss') is not None]
        loss = f'{losses[-1]:.4f}' if losses else '-'
        table.add_row(run.name, *cells, loss, str(len(run.validations)))
    console.print(table)


def _miou(entry: dict) -> float:
    return entry['metrics']['mIoU']


def _when(entry: dict) -> str:
    iteration = f'iteration {entry["iter"]:,}'
    return iteration if not entry['epoch'] else f'epoch {entry["epoch"]} ({iteration})'


def _briefly(entry: dict) -> str:
    return _when(entry).partition(' (')[0].replace('iteration', 'iter')
