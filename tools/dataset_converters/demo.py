#!/usr/bin/env python
"""Writes the synthetic VOC 2012 and SBD tree of the demo."""

import argparse
import inspect
from pathlib import Path

from rich.progress import track

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.demo import write_demo


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    default = {k: p.default for k, p in inspect.signature(write_demo).parameters.items()}
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/dataset_converters/demo.py data/demo --num-train 480',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('out', nargs='?', type=Path, default=default['out'], help='folder to make')
    counts = {
        'train': "images in VOC's train list",
        'aug': 'images that only SBD annotates',
        'val': "images in VOC's val list",
    }
    for split, what in counts.items():
        parser.add_argument(
            f'--num-{split}', type=int, metavar='N', default=default[f'num_{split}'], help=what
        )
    parser.add_argument('--seed', type=int, default=default['seed'], help='source of all chance')
    parser.add_argument(
        '--force', action='store_true', help='replace a demo tree of other settings'
    )
    return parser.parse_args()


def main() -> None:
    """Writes the tree and says whether it had to."""
    args = parse_args()
    try:
        written = write_demo(**vars(args), progress=lambda jobs: track(jobs, description='drawing'))
    except (ValueError, FileExistsError) as error:
        raise UsageError(str(error)) from error
    print(f'{args.out}: {"written" if written else "already complete, left as it is"}')


if __name__ == '__main__':
    run_command(main)
