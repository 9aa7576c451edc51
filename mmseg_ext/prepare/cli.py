"""What the command lines of the converters share."""

import argparse
import sys
from collections.abc import Sequence

from .jobs import count_cores

SHOWN = 20  # faults printed one by one


def bare_parser(description: str, epilog: str) -> argparse.ArgumentParser:
    """Makes a parser without options.

    Args:
        description: What the command does.
        epilog: Where to download what, with sizes, and examples; printed as it is.
    """
    return argparse.ArgumentParser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def make_parser(description: str, epilog: str) -> argparse.ArgumentParser:
    """Makes a parser with the options of every data converter; arguments as for ``bare_parser``."""
    parser = bare_parser(description, epilog)
    add_nproc(parser)
    parser.add_argument(
        '--check', action='store_true', help='convert nothing, verify what was converted'
    )
    return parser


def add_nproc(parser: argparse.ArgumentParser) -> None:
    """Adds the option that says how many processes work."""
    parser.add_argument(
        '--nproc',
        type=at_least_one,
        metavar='N',
        default=count_cores(),
        help='processes (default: one a core, %(default)s here)',
    )


def end_check(faults: Sequence[str], checked: str) -> None:
    """Says what a check found; ends the command with status 1 if that is anything.

    Args:
        faults: One line each, with the file's name.
        checked: What was looked at: ``11,355 masks and 2 lists``.
    """
    for fault in faults[:SHOWN]:
        print(fault)
    if len(faults) > SHOWN:
        print(f'and {len(faults) - SHOWN:,} more')
    print(f'{checked}: {f"{len(faults):,} faults" if faults else "all right"}')
    if faults:
        sys.exit(1)


def at_least_one(text: str) -> int:
    """Reads a number of things that there must be; for ``type=``."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'needs at least 1, got {number}')
    return number


def zero_or_more(text: str) -> int:
    """Reads a number that may be 0; for ``type=``."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'needs 0 or more, got {number}')
    return number
