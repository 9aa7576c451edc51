#!/usr/bin/env python
"""Fine-tunes a leaf from a checkpoint at several rates, and says which undo its training."""

import argparse
from pathlib import Path

from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import zero_or_more
from mmseg_ext.records.files import check_output, write_json

EXAMPLES = """examples:
  python tools/analysis_tools/rate_sweep.py CONFIG --load-from work_dirs/NAME/epoch_8.pth
  python tools/analysis_tools/rate_sweep.py CONFIG --factors 1 10 100 --seeds 0 1 --picture R.png
  python tools/analysis_tools/rate_sweep.py CONFIG --rates 6e-6 6e-5 --out sweep.json

times: the rate over the one that trained the checkpoint. first, last: mIoU of a run's validations.
guard: of what the fine-tune guard warned: the rate, when the checkpoint was loaded, or the score,
after the first validation. verdict: collapses, where under half of the checkpoint's mIoU is left or
the loss is no number; loses, where less than it had; else keeps.
One process trains, whatever number of GPUs the config is for.
Called again it goes on where it was stopped, and takes finished runs as they are.
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='leaf to fine-tune')
    parser.add_argument(
        '--load-from', metavar='FILE', help="checkpoint to start from (default: the config's own)"
    )
    parser.add_argument(
        '--factors', type=float, nargs='+', metavar='F', default=[],
        help="rates, as multiples of the config's (default: 1 3 10 30 100 300)",
    )  # fmt: skip
    parser.add_argument(
        '--rates', type=float, nargs='+', metavar='LR', default=[], help='rates, instead of factors'
    )
    parser.add_argument('--seeds', type=zero_or_more, nargs='+', default=[0], metavar='N')
    parser.add_argument(
        '--work-dirs', type=Path, metavar='DIR', help='of the runs (default: below work_dirs/)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    parser.add_argument('--out', type=Path, metavar='JSON', help='write the result there')
    parser.add_argument('--picture', type=Path, metavar='PNG', help='draw it there')
    args = parser.parse_args()
    if not args.factors and not args.rates:
        args.factors = [1, 3, 10, 30, 100, 300]
    return args


def main() -> None:
    """Trains, prints, draws."""
    args = parse_args()
    check_output(args.out)
    check_output(args.picture, ['.png'])
    # brings torch
    from mmseg_ext.benchmarks.rate_sweep import sweep_rates
    from mmseg_ext.benchmarks.rate_sweep_report import draw_sweep, print_sweep

    result = sweep_rates(
        args.config,
        args.load_from,
        args.seeds,
        args.work_dirs or Path('work_dirs') / f'rates-{Path(args.config).stem}',
        args.cfg_options or {},
        rates=args.rates,
        factors=args.factors,
    )
    print_sweep(result)
    if args.out:
        write_json(args.out, result)
    if args.picture:
        draw_sweep(args.picture, result)


if __name__ == '__main__':
    run_command(main)
