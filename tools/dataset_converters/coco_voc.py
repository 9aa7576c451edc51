#!/usr/bin/env python
"""Draws COCO's instance masks as label files of VOC's 21 classes, for pre-training."""

from pathlib import Path

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import end_check, make_parser, zero_or_more
from mmseg_ext.prepare.coco_voc import FOLDER, MIN_PIXELS, SPLITS, check, convert

EXAMPLES = f"""what to download (https://cocodataset.org/#download), and unpack into one folder:
  http://images.cocodataset.org/zips/train2017.zip                             18 GB
  http://images.cocodataset.org/zips/val2017.zip                                1 GB
  http://images.cocodataset.org/annotations/annotations_trainval2017.zip      241 MB
It takes pycocotools: pip install -e '.[coco]'

Labels: 0 is background and COCO's other 60 classes, 255 are pixels of two of the 20 classes and
crowds. The images stay where they are.

examples:
  python tools/dataset_converters/coco_voc.py data/coco              # to data/coco/{FOLDER}
  python tools/dataset_converters/coco_voc.py data/coco --splits val
  python tools/dataset_converters/coco_voc.py data/coco --check
configs/_base_/datasets/coco_voc.py reads the result.
"""


def main() -> None:
    """Converts or checks."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('coco', type=Path, help='folder with annotations, train2017, val2017')
    parser.add_argument('out', type=Path, nargs='?', help=f'default: COCO/{FOLDER}')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument(
        '--min-pixels',
        type=zero_or_more,
        default=MIN_PIXELS,
        metavar='N',
        help='train.txt lists images with at least N pixels of the 20 classes (default: '
        '%(default)s, as torchvision does)',
    )
    args = parser.parse_args()
    out = args.out or args.coco / FOLDER
    rest = (out, args.nproc, args.splits, args.min_pixels)
    if args.check:
        faults, number = check(args.coco, *rest)
        end_check(faults, f'{number:,} labels in {out}')
        return
    for split, (listed, number) in convert(args.coco, *rest).items():
        print(f'{split}: {number:,} labels in {out / split}2017, {listed:,} in {split}.txt')


if __name__ == '__main__':
    run_command(main)
