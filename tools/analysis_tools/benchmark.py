#!/usr/bin/env python
"""Measures our speed beside that of stock MMSegmentation, on this machine, in one run."""

import argparse
from pathlib import Path

from mmseg_ext.benchmarks import report, voc_aug
from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import at_least_one
from mmseg_ext.prepare.jobs import count_cores
from mmseg_ext.records.files import write_json

EXAMPLE = """examples:
  python tools/analysis_tools/benchmark.py voc-aug --out voc-aug.json
  python tools/analysis_tools/benchmark.py voc-aug --mats 1000 --repeats 3
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    benchmarks = parser.add_subparsers(dest='benchmark', required=True)
    voc = benchmarks.add_parser('voc-aug', help='the conversion of SBD: voc_aug.py')
    number = dict(type=at_least_one, metavar='N')
    voc.add_argument('--mats', **number, default=11355, help='files (default: as many as SBD)')
    voc.add_argument('--nproc', **number, default=count_cores(), help='processes of each command')
    voc.set_defaults(run=run_voc_aug)
    for each in benchmarks.choices.values():
        each.add_argument('--repeats', **number, default=1, help='rounds; the fastest counts')
        each.add_argument('--out', type=Path, metavar='JSON', help='write the result there')
    return parser.parse_args()


def run_voc_aug(args: argparse.Namespace) -> dict:
    """Converts a tree with both commands."""
    result = voc_aug.compare(args.mats, args.nproc, args.repeats)
    title = f'{args.mats:,} .mat files, {args.nproc} processes'
    report.print_timings(title, result['timings'], baseline=voc_aug.STOCK)
    print(f'same pixels: {result["same_pixels"]}, same lists: {result["same_lists"]}')
    return result


def main() -> None:
    """Runs the benchmark that was asked for."""
    args = parse_args()
    result = args.run(args)
    if args.out:
        write_json(args.out, result)


if __name__ == '__main__':
    run_command(main)
