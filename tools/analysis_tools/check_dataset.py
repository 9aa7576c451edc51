#!/usr/bin/env python
"""Checks every list, image and label of a config's data sets: damage, leaks, wrong labels."""

import argparse
import sys
from pathlib import Path

from mmengine.registry import init_default_scope
from rich.console import Console

from mmseg_ext.datasets.check.check import check_config
from mmseg_ext.datasets.check.findings import FAULT, WARNING
from mmseg_ext.datasets.check.plot import plot_shares
from mmseg_ext.datasets.check.report import print_report
from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import add_nproc, at_least_one
from mmseg_ext.records.files import check_output, write_json

EXAMPLES = """examples:
  python tools/analysis_tools/check_dataset.py CONFIG
  python tools/analysis_tools/check_dataset.py CONFIG --max-images 500
  python tools/analysis_tools/check_dataset.py CONFIG --pixels --out report.json --plot shares.png
  python tools/analysis_tools/check_dataset.py CONFIG --cfg-options data_root=/disk/VOC2012

exit status: 0 all right or warnings alone, 1 faults, 2 there is nothing to check
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--max-images', type=at_least_one, metavar='N',
        help='open N images of each data set, evenly spaced: a quick look',
    )  # fmt: skip
    parser.add_argument(
        '--pixels', action='store_true', help='find copies saved again in another format too'
    )
    parser.add_argument('--strict', action='store_true', help='a warning is a fault')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write all that was found')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='draw the class shares')
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    add_nproc(parser)
    return parser.parse_args()


def main() -> None:
    """Checks, reports, and exits with status 1 if there is a fault."""
    args = parse_args()
    for path in (args.out, args.plot):
        check_output(path)
    cfg = load_config(args.config, args.cfg_options)
    complete_config(cfg)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    report = check_config(cfg, args.nproc, args.max_images, args.pixels)
    print_report(report, Console())
    if args.out:
        write_json(args.out, dict(config=args.config, **report.as_dict()))
    histograms = {split: s.histogram for split, s in report.summaries.items() if s.histogram}
    if args.plot and histograms:
        plot_shares(args.plot, histograms, title=Path(args.config).stem)
    elif args.plot:
        print(f'{args.plot} not drawn: no data set has labels')
    if report.number(FAULT) or (args.strict and report.number(WARNING)):
        sys.exit(1)


if __name__ == '__main__':
    run_command(main)
