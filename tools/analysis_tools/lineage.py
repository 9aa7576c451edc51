#!/usr/bin/env python
"""Holds the docstrings of the leaves in configs/ to what the configs really are."""

import argparse
import sys
from pathlib import Path

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.records.leaf_docstring import find_leaves, read_leaf
from mmseg_ext.records.lineage import check_leaf


def main() -> None:
    """Checks, and exits with status 1 if a docstring is not true."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('path', type=Path, nargs='*', default=[Path('configs')])
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    problems = []
    for path in args.path:
        for file in [path] if path.is_file() else find_leaves(path):
            try:
                problems += check_leaf(read_leaf(file))
            except UsageError as error:
                problems.append(str(error))
    print('\n'.join(problems))
    sys.exit(bool(problems))


if __name__ == '__main__':
    run_command(main)
