#!/usr/bin/env python
"""Draws the confusion matrix that a validation or a test left, each row as shares of its class."""

import argparse
from pathlib import Path

from rich.console import Console

from mmseg_ext.engine.errors import run_command
from mmseg_ext.records.confusion import confusion_file, draw_confusion, read_confusion
from mmseg_ext.records.files import check_output

EXAMPLES = """examples:
  python tools/analysis_tools/confusion.py work_dirs/NAME
  python tools/analysis_tools/confusion.py confusion.npz --out few.png --classes road car
"""


def main() -> None:
    """Draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('npz', type=Path, help='confusion.npz of a run or a test, or its folder')
    parser.add_argument('--out', type=Path, help='picture (default: beside the file, as PNG)')
    parser.add_argument(
        '--classes', nargs='+', help='draw these alone; what was taken for others is one column'
    )
    args = parser.parse_args()
    out = args.out or confusion_file(args.npz).with_suffix('.png')
    check_output(args.out, ('.png',))
    confusion, classes = read_confusion(args.npz)
    draw_confusion(out, confusion, classes, chosen=args.classes)
    Console().print(str(out), soft_wrap=True)


if __name__ == '__main__':
    run_command(main)
