"""The rows as a table, as JSON, and in a word."""

import json
import shutil

from .row import Row


def to_json(rows: list[Row]) -> str:
    """The rows as a JSON list, for bug reports."""
    return json.dumps([row._asdict() for row in rows], indent=2)


def print_rows(rows: list[Row]) -> None:
    """Prints the rows as a table, then what to mend, unwrapped for copying, and the verdict."""
    try:
        _print_table(rows)
    except ImportError:
        for row in rows:
            print(f'{row.state:8}{row.what}: {row.found}' + (f' -> {row.mend}' if row.mend else ''))
    print()
    broken = [row for row in rows if row.state == 'broken' and not row.mend.startswith('as for ')]
    for mend in dict.fromkeys(row.mend for row in broken):
        print(f'mend: {mend}')
    print(verdict(rows))


def _print_table(rows: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {'ok': 'green', 'info': 'cyan', 'warning': 'yellow', 'broken': 'bold red'}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column('what', no_wrap=True)
    table.add_column('found', overflow='fold')
    table.add_column('state', no_wrap=True)
    table.add_column('how to mend', overflow='fold')
    for row in rows:
        # Text, because rich would take the [gpu] of a command for markup
        table.add_row(
            Text(row.what), Text(row.found), Text(row.state, styles[row.state]), Text(row.mend)
        )
    # piped into a file there is no width to ask for
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    Console(width=width).print(table)


def can_train(rows: list[Row]) -> bool:
    """Whether nothing is broken."""
    return all(row.state != 'broken' for row in rows)


def verdict(rows: list[Row]) -> str:
    """One line: whether training can run."""
    broken = [row.what for row in rows if row.state == 'broken']
    if broken:
        return f'training cannot run here; broken: {", ".join(broken)}'
    warnings = [row.what for row in rows if row.state == 'warning']
    return 'training can run here' + (f'; warnings: {", ".join(warnings)}' if warnings else '')
