#!/usr/bin/env python
"""Prints the family tree of the leaves in configs/: parent, changes, result; or proves it true."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.records.leaf_docstring import read_leaf
from mmseg_ext.records.lineage import check_leaf
from mmseg_ext.records.lineage_table import has_markers, make_table, read_table, update_table
from mmseg_ext.records.lineage_tree import (
    COLOURS,
    Row,
    best_run,
    grow,
    list_leaves,
    read_leaves,
    short_path,
)

EXAMPLES = """examples:
  python tools/analysis_tools/lineage.py                           every leaf in configs/
  python tools/analysis_tools/lineage.py configs/upernet           those of a folder
  python tools/analysis_tools/lineage.py configs/upernet/NAME.py   one, with its ancestors
  python tools/analysis_tools/lineage.py --work-dirs work_dirs     beside what the runs reached
  python tools/analysis_tools/lineage.py --check                   is what the docstrings say so?
  python tools/analysis_tools/lineage.py --update README.md
  python tools/analysis_tools/lineage.py --picture lineage.png

--check loads each leaf and its parent, and exits with status 1 where they differ otherwise than the
leaf's docstring declares, with the line that the docstring needs. Of a folder it also holds the
table in the README.md beside it to the leaves. --update replaces what stands between the lines
<!-- lineage: begin --> and <!-- lineage: end -->.
"""
MAX_KEYS = 4  # as a rule they fit into a line


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'path', type=Path, nargs='*', default=[Path('configs')], metavar='CONFIGS_DIR_OR_LEAF',
        help='folders or single configs; default: configs',
    )  # fmt: skip
    parser.add_argument(
        '--work-dirs', type=Path, metavar='DIR', help='add the best mIoU of the runs in DIR/NAME'
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument('--markdown', action='store_true', help='print a Markdown table')
    ways.add_argument(
        '--update', type=Path, metavar='README.md', help='write that table into this file'
    )
    ways.add_argument(
        '--picture', type=Path, metavar='FILE.png', help='draw the tree; as .svg or .pdf, too'
    )
    ways.add_argument('--check', action='store_true', help='exit status 1 if anything is not so')
    return parser.parse_args()


def check(paths: list[Path]) -> list[str]:
    """Finds what is not so in the leaves, and in the READMEs beside their folders."""
    problems = []
    files = list_leaves(paths)
    for file in files:
        # one that cannot be read hides nothing of the others
        try:
            problems += check_leaf(read_leaf(file))
        except UsageError as error:
            problems.append(str(error))
    if not problems:
        problems = check_tables([path for path in paths if path.is_dir()])
    print(f'{" ".join(map(str, paths))}: {len(files)} leaves, {len(problems)} problems')
    return problems


def check_tables(folders: list[Path]) -> list[str]:
    """Finds the READMEs beside folders whose table is not that of the leaves."""
    beside: dict[Path, list[Path]] = {}
    for folder in folders:
        readme = Path(os.path.relpath(folder.resolve().parent / 'README.md'))
        beside.setdefault(readme, []).append(folder)
    problems = []
    for readme, members in beside.items():
        if not has_markers(readme):
            continue
        try:
            stale = read_table(readme) != make_table(grow(read_leaves(members)), readme.parent)
        except UsageError as error:
            problems.append(str(error))
            continue
        if stale:
            words = ['python', sys.argv[0], *map(str, members), '--update', str(readme)]
            problems.append(f'{readme}: the table of versions is stale; {shlex.join(words)}')
    return problems


def show(console: Console, rows: list[Row], work_dirs: Path | None) -> None:
    """Prints the trees; what a leaf changed stands behind its name."""
    branches: list[Tree] = []
    trees = []
    for row in rows:
        leaf = row.leaf
        line = Text(row.name, 'bold' if row.depth == 0 else '')
        line.append(f'  {leaf.status}', COLOURS[leaf.status])
        line.append(f'  {leaf.headline}')
        best = best_run(leaf, work_dirs) if work_dirs else ''
        if best:
            line.append(f'  best run {best}', 'cyan')
        if leaf.parent and row.parent is None:
            line.append(f'  from {leaf.parent}', 'dim')
        keys = list(dict.fromkeys(map(short_path, leaf.changes)))
        if len(keys) > MAX_KEYS:
            keys[MAX_KEYS:] = [f'and {len(keys) - MAX_KEYS} more']
        if keys:
            line.append(f'  {", ".join(keys)}', 'dim')
        branch = branches[row.depth - 1].add(line) if row.depth else Tree(line)
        branches[row.depth :] = [branch]
        if row.depth == 0:
            trees.append(branch)
    for tree in trees:
        console.print(tree)


def main() -> None:
    """Prints, draws, writes or checks."""
    args = parse_args()
    for path in args.path:
        if not path.exists():
            raise UsageError(f'there is no folder or config {path}')
    if args.work_dirs and not args.work_dirs.is_dir():
        raise UsageError(f'there is no folder {args.work_dirs}')
    if args.work_dirs and (args.update or args.check):
        raise UsageError(
            '--work-dirs goes with the terminal, --markdown and --picture; what the repository '
            'says does not depend on your own runs'
        )
    if args.check:
        problems = check(args.path)
        print('\n'.join(problems), end='\n' if problems else '')
        sys.exit(bool(problems))
    rows = grow(read_leaves(args.path))
    if args.markdown:
        print(make_table(rows, Path.cwd(), args.work_dirs), end='')
    elif args.update:
        update_table(args.update, rows)
        print(f'wrote {args.update}')
    elif args.picture:
        from mmseg_ext.records.lineage_picture import draw_tree  # brings matplotlib, which is slow

        draw_tree(args.picture, rows, args.work_dirs)
        print(f'wrote {args.picture}')
    else:
        # piped into a file there is no width to ask for
        width = shutil.get_terminal_size((120, 24)).columns
        show(Console(width=width, highlight=False), rows, args.work_dirs)


if __name__ == '__main__':
    run_command(main)
