"""The table of the evaluation benchmark."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

COLUMNS = ('stock\nseconds', 'ours\nseconds', 'speed', 'stock\nMB', 'ours\nMB', 'memory', 'labels')


def print_evaluation(result: dict) -> None:
    """Prints the rows of ``evaluation.compare``; what was not measured stays empty.

    Its columns: seconds of an image after the network, both ways; how many times as fast ours is;
    memory at the peak; its share of stock's; the share of the pixels with another label.
    """
    settings, device = result['settings'], result['device']
    where = f'threads: {settings["threads"]}' if settings['device'] == 'cpu' else device
    height, width = settings['size']
    table = Table(
        title=f'after the network: {settings["classes"]} classes, {height}x{width}, {where}',
        box=SIMPLE,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column('', no_wrap=True)
    for heading in COLUMNS:
        table.add_column(heading, justify='right')
    for row in result['rows']:
        table.add_row(f'{row["mode"]}, {row["logits"]}', *_cells(row))
    Console().print(table)


def _cells(row: dict) -> list[str]:
    seconds = [f'{way["wall_seconds"]:.3g}' for way in row['ways'].values()]
    peaks = ['' if peak is None else f'{peak:,.0f}' for peak in row['peak_mb'].values()]
    memory = '' if row['memory'] is None else f'1/{row["memory"]:.1f}'
    same = 'the same' if row['different'] == 0 else f'{row["different"]:.1e} differ'
    return [*seconds, f'{row["speed"]:.1f}x', *peaks, memory, same]
