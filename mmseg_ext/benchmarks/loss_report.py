"""The tables of the loss benchmark."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

COLUMNS = (
    ('seconds', 'wall_seconds', '{:.3g}'),
    ('speed', 'speed', '{:.1f}x'),
    ('peak\nMB', 'peak_mb', '{:,.0f}'),
    ('memory', 'memory', '1/{:.1f}'),
    ('images\nper GiB', 'images_per_gib', '{:,.1f}'),
    ('value\noff', 'value_difference', '{:.0e}'),
    ('gradient\noff', 'gradient_difference', '{:.0e}'),
)


def print_comparisons(result: dict) -> None:
    """Prints a table for each comparison of ``loss.compare``; what was not measured stays empty.

    Its columns: seconds of a step, forward and backward; how many times as fast as stock; memory at
    the peak; its share of stock's; images that fit into a GiB of such memory; the differences of
    value, absolute, and of gradient, relative in norm.
    """
    settings = result['settings']
    logits, labels = (
        f'{height}x{width} {name}'
        for name, (height, width) in ((name, settings[name]) for name in ('logits', 'labels'))
    )
    where = f'threads: {settings["threads"]}' if settings['device'] == 'cpu' else result['device']
    for comparison, rows in result['comparisons'].items():
        table = Table(
            title=f'{comparison}, forward and backward: {settings["images"]} images, '
            f'{settings["classes"]} classes,\n{logits}, {labels}, {settings["dtype"]}, {where}',
            box=SIMPLE,
            collapse_padding=True,
            pad_edge=False,
        )
        table.add_column('', no_wrap=True)
        for heading, *_ in COLUMNS:
            table.add_column(heading, justify='right')
        for name, row in rows.items():
            cells = (
                '' if row.get(key) is None else form.format(row[key]) for _, key, form in COLUMNS
            )
            table.add_row(name, *cells)
        Console().print(table)
    for note in result['notes']:
        print(note)
