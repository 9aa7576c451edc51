#!/usr/bin/env python
"""Draws the curves of a run, of ours or of stock MMSegmentation, or compares several.

One run: loss with its terms, learning rate, validation metrics and IoU per class over time.
Several: mIoU and loss of each over iterations. Of each are printed the best and the last mIoU, and
where it stopped rising.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.records.curves import draw_comparison, draw_run
from mmseg_ext.records.curves_report import describe_plateau, print_scores
from mmseg_ext.records.files import check_output
from mmseg_ext.records.run_history import read_runs

EXAMPLES = """examples:
  python tools/analysis_tools/curves.py work_dirs/NAME
  python tools/analysis_tools/curves.py work_dirs/NAME --classes car pedestrian --smooth
  python tools/analysis_tools/curves.py work_dirs/NAME_v1 work_dirs/NAME_v2 --out compared.png
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help="a run's folder")
    parser.add_argument(
        '--out',
        type=Path,
        metavar='PNG',
        help='picture to write (default: curves.png in the folder of the run; of several, '
        'curves_compared.png here)',
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='show these classes alone, as lines if few'
    )
    parser.add_argument(
        '--smooth',
        nargs='?',
        type=_read_number,
        const=10,
        default=1,
        metavar='N',
        help='average the loss over N logged steps (without N: 10; name the runs before it), the '
        'raw one thin behind it',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draws."""
    args = parse_args(argv)
    if args.smooth < 1:
        raise UsageError(f'--smooth {args.smooth}: needs at least 1')
    runs = read_runs(args.runs)
    # a file or a pipe has no width that long names would have to be folded at
    width = None if sys.stdout.isatty() else 10_000
    console = Console(soft_wrap=True, highlight=False, width=width)
    if len(runs) == 1:
        out = args.out or args.runs[0] / 'curves.png'
        check_output(out, ('.png',))
        draw_run(runs[0], out, args.classes, args.smooth)
    else:
        if args.classes:
            raise UsageError('--classes goes with one run')
        out = args.out or Path('curves_compared.png')
        check_output(out, ('.png',))
        draw_comparison(runs, out, args.smooth)
    print_scores(console, runs)
    for run in runs:
        console.print(describe_plateau(run), markup=False)
    console.print(f'drawn: {out}', markup=False)


def _read_number(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{word!r} is no number of steps; runs come before --smooth, or write --smooth=10'
        ) from None


if __name__ == '__main__':
    run_command(main)
