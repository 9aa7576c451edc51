#!/usr/bin/env python
"""Says what a run or a checkpoint was made of; of two, what differs: why they do not compare."""

import argparse
import re
import shutil
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmseg_ext.engine.errors import run_command
from mmseg_ext.records.provenance_reading import (
    Record,
    config_diff,
    differences,
    flatten,
    read_record,
)

EXAMPLES = """examples:
  python tools/analysis_tools/show_provenance.py work_dirs/NAME
  python tools/analysis_tools/show_provenance.py best_mIoU_epoch_20.pth
  python tools/analysis_tools/show_provenance.py work_dirs/ONE work_dirs/OTHER     what differs
"""
SUM = re.compile(r'\b([0-9a-f]{12})[0-9a-f]{28,52}\b')  # of git or of SHA-256
STYLES = {'+': 'green', '-': 'red', '@': 'cyan'}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('path', type=Path, help="a run's folder or a checkpoint")
    parser.add_argument('other', type=Path, nargs='?', help='another, to compare with')
    return parser.parse_args()


def show(console: Console, record: Record) -> None:
    """Prints the facts of the last start, then every start."""
    facts = make_table(record.name, 'last start')
    for name, value in flatten(record.facts).items():
        if name != 'earlier' and value is not None:
            facts.add_row(name, as_text(value))
    console.print(facts)
    starts = make_table('start', 'at iteration', 'commit', 'processes', 'resumed from', 'command')
    for start in record.starts:
        commit = f'{(start["commit"] or "none")[:8]}{" + changes" if start["dirty"] else ""}'
        row = (start['time'], start['iter'], commit, start['world_size'], start['resumed_from'])
        starts.add_row(*map(as_text, (*row, start['command'])))
    console.print(starts)


def compare(console: Console, one: Record, other: Record) -> None:
    """Prints what differs, then the difference of the configs."""
    rows, diff = differences(one, other), config_diff(one, other)
    table = make_table('what differs', one.name, other.name)
    for name, *values in rows:
        table.add_row(name, *map(as_text, values))
    if rows:
        console.print(table)
    else:
        console.print('no difference in seed, processes, versions, code, data and loaded weights')
    for line in diff:
        console.print(Text(line, STYLES.get(line[:1], '')))
    if not diff:
        console.print('no difference in the resolved config')


def make_table(*columns: str) -> Table:
    """A plain table whose cells wrap."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        # Text, because rich would take a [...] in a path for markup
        table.add_column(Text(column), overflow='fold')
    return table


def as_text(value: object) -> Text:
    """A value as it is read best: a list line by line, checksums by their first digits."""
    if isinstance(value, dict):
        value = ', '.join(f'{key} {each}' for key, each in value.items())
    lines = value if isinstance(value, list) else ['' if value is None else value]
    return Text(SUM.sub(r'\1', '\n'.join(str(line) for line in lines)))


def main() -> None:
    """Reads one or two and prints."""
    args = parse_args()
    # piped into a file there is no width to ask for
    console = Console(width=shutil.get_terminal_size((120, 24)).columns, highlight=False)
    record = read_record(args.path)
    if args.other:
        compare(console, record, read_record(args.other))
    else:
        show(console, record)


if __name__ == '__main__':
    run_command(main)
