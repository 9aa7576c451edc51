#!/usr/bin/env python
"""Says what is installed, what the machine offers, and how to mend what is broken."""

import argparse
import contextlib
import sys
from pathlib import Path

try:
    from mmseg_ext.engine import doctor
except ModuleNotFoundError:
    sys.exit(
        f'mmseg_ext is not installed in {sys.prefix}; '
        'in the root of the repository: pip install -c constraints.txt -e .'
    )

EXAMPLES = """examples:
  python tools/doctor.py                       the table; exit status 1 if training cannot run
  python tools/doctor.py --json > doctor.json  for a bug report
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--json', action='store_true', help='print JSON in place of the table')
    return parser.parse_args()


def main() -> int:
    """Prints the report; 1 if training cannot run."""
    args = parse_args()
    # what an import prints belongs to no report
    with contextlib.redirect_stdout(sys.stderr):
        rows = doctor.examine(Path(__file__).resolve().parents[1])
    if args.json:
        print(doctor.to_json(rows))
    else:
        doctor.print_rows(rows)
    return 0 if doctor.can_train(rows) else 1


if __name__ == '__main__':
    sys.exit(main())
