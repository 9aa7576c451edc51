#!/usr/bin/env python
"""Turns the full ADE20K, release 2016 or 2021, into the benchmark's 150 classes."""

from pathlib import Path

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.ade20k_classes import SOURCE
from mmseg_ext.prepare.ade20k_full import RECORD, check, convert
from mmseg_ext.prepare.ade20k_release import find_release
from mmseg_ext.prepare.ade20k_report import format_report
from mmseg_ext.prepare.cli import end_check, make_parser, zero_or_more

EXAMPLES = f"""what to download:
  For the benchmark itself take ADEChallengeData2016.zip (http://sceneparsing.csail.mit.edu, 1 GB,
  no registration). It has the 150 classes already and needs no conversion.

  The full ADE20K needs registration: https://groups.csail.mit.edu/vision/datasets/ADE20K/
    ADE20K_2021_17_01   25,574 training and 2,000 validation images, 3,688 object names;
                        its index_ade20k.pkl alone has 780 MB
    ADE20K_2016_07_26   20,210 training and 2,000 validation images

  and a small table, saved into the release's folder:
    release 2021   {SOURCE}/objectInfo150.csv
    release 2016   {SOURCE}/convertFromADE/mapFromADE.txt
  With both, object names are in every report, and names are compared with the mapping.

examples:
  python tools/dataset_converters/ade20k_full.py data/ade/ADE20K_2021_17_01 data/ade/full150
  python tools/dataset_converters/ade20k_full.py data/ade/ADE20K_2021_17_01 data/ade/full150 --check
  python tools/train.py CONFIG --cfg-options data_root=data/ade/full150

What fell to "other", and by which object names, is printed and kept in OUT/{RECORD}.
"""


def main() -> None:
    """Converts or checks."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('full', type=Path, help='ADE20K_2016_07_26 or ADE20K_2021_17_01')
    parser.add_argument('out', type=Path, help='folder to write; the data_root of configs')
    parser.add_argument('--mapping', type=Path, help='default: FULL/mapFromADE.txt')
    parser.add_argument('--classes', type=Path, help='default: FULL/objectInfo150.csv')
    parser.add_argument(
        '--max-short-side',
        type=zero_or_more,
        default=512,
        metavar='N',
        help='reduce images with a longer short side to it, as the benchmark does (default: '
        '%(default)s); 0 keeps every size',
    )
    args = parser.parse_args()
    rest = (args.out, args.nproc, args.mapping, args.classes, args.max_short_side)
    if args.check:
        faults, number = check(args.full, *rest)
        end_check(faults, f'{number:,} images and labels in {args.out}')
        return
    report = convert(args.full, *rest)
    print(format_report(report))
    print(f'all of it: {args.out / RECORD}')
    expected = find_release(args.full).expected
    for split, number in report['images'].items():
        note = '' if number == expected[split] else f', the whole release has {expected[split]:,}'
        print(f'{split}: {number:,} images{note}')
    absent = report['absent']
    if absent:
        print(f'{len(absent):,} images of the index file are not there, {absent[0]} for one')
    print(f'use it with data_root={args.out}')


if __name__ == '__main__':
    run_command(main)
