"""The tables of the data benchmark."""

from pprint import pformat

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from .data import DISTORT, LOAD, SIDE

ALONE = {LOAD: 'decoding the image alone', DISTORT: f'{DISTORT} alone, {SIDE}x{SIDE}'}


def print_chains(result: dict) -> None:
    """Prints speeds, then the milliseconds and share of each transform, then pieces alone."""
    console, chains = Console(), result['chains']
    table = _table(f'{result["images"]} images, one core', 'ms an image', 'images/s', 'speed')
    for name, chain in chains.items():
        numbers = f'{chain["milliseconds"]:.2f}', f'{chain["images_per_second"]:.0f}'
        table.add_row(name, *numbers, f'{chain["speed"]:.2f}x')
    console.print(table)

    numbered = [f'({number})' for number in range(1, len(chains) + 1)]
    legend = ', '.join(f'{sign} {name}' for sign, name in zip(numbered, chains, strict=True))
    table = _table('ms of an image in each transform, and share', *numbered)
    columns = [_by_name(chain['stages']) for chain in chains.values()]
    for stage in _merge(columns):
        cells = (
            f'{column[stage]["milliseconds"]:.2f} {column[stage]["share"]:4.0%}'
            if stage in column
            else ''
            for column in columns
        )
        table.add_row(stage[0], *cells)
    table.caption = legend
    console.print(table)

    if result['alone']:
        table = _table('ms', 'stock', 'fast', 'speed')
        for name, row in result['alone'].items():
            cells = f'{row["stock"]:.2f}', f'{row["fast"]:.2f}', f'{row["speed"]:.2f}x'
            table.add_row(ALONE[name], *cells)
        console.print(table)


def print_pipelines(result: dict) -> None:
    """Prints the pipelines as a config has them."""
    for name, chain in result['chains'].items():
        print(f'# {name}')
        steps = (
            ', '.join(f'{key}={pformat(value, sort_dicts=False)}' for key, value in step.items())
            for step in chain['pipeline']
        )
        print('train_pipeline = [', *(f'    dict({step}),' for step in steps), ']\n', sep='\n')


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=SIMPLE, collapse_padding=True, pad_edge=False)
    table.add_column('')
    for heading in headings:
        table.add_column(heading, justify='right')
    return table


def _by_name(stages: list[dict]) -> dict[tuple[str, int], dict]:
    """Stages by name and how often it came before: a pipeline may hold a transform twice."""
    names = [stage['name'] for stage in stages]
    return {(name, names[:place].count(name)): stages[place] for place, name in enumerate(names)}


def _merge(columns: list[dict]) -> list[tuple[str, int]]:
    """All keys in an order that keeps that of each column, where there is one."""
    merged: list[tuple[str, int]] = []
    for column in columns:
        place = 0
        for key in column:
            if key in merged:
                place = merged.index(key) + 1
            else:
                merged.insert(place, key)
                place += 1
    return merged
