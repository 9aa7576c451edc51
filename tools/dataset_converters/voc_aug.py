#!/usr/bin/env python
"""Turns SBD's .mat annotations into PNGs and lists for VOC2012+SBD training."""

from pathlib import Path

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import make_parser
from mmseg_ext.prepare.voc_aug import NUM_TRAINAUG, convert

EXAMPLES = """example:
  python tools/dataset_converters/voc_aug.py data/VOCdevkit data/VOCdevkit/benchmark_RELEASE
"""


def main() -> None:
    """Converts."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('devkit_path', type=Path, help='VOCdevkit, the folder with VOC2012 in it')
    parser.add_argument('aug_path', type=Path, help='benchmark_RELEASE, the unpacked SBD')
    parser.add_argument(
        '-o', '--out_dir', type=Path, help='default: DEVKIT/VOC2012/SegmentationClassAug'
    )
    args = parser.parse_args()
    out = args.out_dir or args.devkit_path / 'VOC2012' / 'SegmentationClassAug'
    counts = convert(args.devkit_path, args.aug_path, out, args.nproc)
    print(f'masks in {out}; aug.txt: {counts["aug"]}, trainaug.txt: {counts["trainaug"]} images')
    if counts['trainaug'] != NUM_TRAINAUG:
        print(f'the real VOC 2012 and SBD give {NUM_TRAINAUG} images in trainaug.txt')


if __name__ == '__main__':
    run_command(main)
