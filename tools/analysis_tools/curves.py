#!/usr/bin/env python
"""Draws the curves of a run, of ours or of stock MMSegmentation, or compares several.

One run: loss with its terms, learning rate, validation metrics, IoU per class over time, and where
mIoU stopped rising. Several: mIoU and loss of each over iterations, and a table.
"""

import argparse
import dataclasses
import os
from pathlib import Path

from rich.console import Console

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.records.curves import draw_comparison, draw_run
from mmseg_ext.records.curves_report import describe_plateau, print_comparison
from mmseg_ext.records.files import check_output
from mmseg_ext.records.run_history import RunHistory, read_run

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
        type=int,
        const=10,
        default=1,
        metavar='N',
        help='average the loss over N logged steps (without N: 10), the raw one thin behind it',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draws."""
    args = parse_args(argv)
    if args.smooth < 1:
        raise UsageError(f'--smooth {args.smooth}: needs at least 1')
    runs = name_apart(args.runs, [read_run(folder) for folder in args.runs])
    console = Console(soft_wrap=True, highlight=False)
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
        print_comparison(console, runs)
    for run in runs:
        console.print(describe_plateau(run), markup=False)
    console.print(f'drawn: {out}', markup=False)


def name_apart(folders: list[Path], runs: list[RunHistory]) -> list[RunHistory]:
    """Names runs whose folders have one name by the part of the path that differs."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return runs
    paths = [str(folder.resolve()) for folder in folders]
    if len(set(paths)) < len(paths):
        raise UsageError('a run is named twice')
    common = os.path.commonpath(paths)
    return [
        dataclasses.replace(run, name=os.path.relpath(path, common))
        for run, path in zip(runs, paths, strict=True)
    ]


if __name__ == '__main__':
    run_command(main)
