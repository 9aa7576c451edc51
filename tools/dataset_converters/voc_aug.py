#!/usr/bin/env python
"""Turns SBD's .mat annotations into PNGs and lists for training on VOC 2012 + SBD."""

from pathlib import Path

from mmseg_ext.engine.errors import run_command
from mmseg_ext.prepare.cli import end_check, make_parser
from mmseg_ext.prepare.voc_aug import convert
from mmseg_ext.prepare.voc_aug_check import check
from mmseg_ext.prepare.voc_aug_sources import read_sources

HELP = """what to download, and where to unpack it:
  VOC 2012, 2.0 GB (1,999,639,040 bytes), md5 6cd6e144f989b92b3379bac3b3de84fd
    http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar
    tar -xf VOCtrainval_11-May-2012.tar -C data         makes data/VOCdevkit/VOC2012
  SBD, 1.4 GB (1,419,539,633 bytes), md5 82b4d87ceb2ed10f6038a1cba92111cb
    https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz
    tar -xzf benchmark.tgz -C data/VOCdevkit            makes data/VOCdevkit/benchmark_RELEASE

what it writes into VOC2012:
  SegmentationClassAug/*.png           masks of SBD's 11,355 images, and VOC's own masks of those in
                                       train.txt that SBD leaves out; 50 MB of disk
  ImageSets/Segmentation/aug.txt       9,118 images that SBD adds; train on train.txt and aug.txt,
  ImageSets/Segmentation/trainaug.txt  or on trainaug.txt alone: its 10,582 images are those of both

examples:
  python tools/dataset_converters/voc_aug.py data/VOCdevkit data/VOCdevkit/benchmark_RELEASE
  python tools/dataset_converters/voc_aug.py data/VOCdevkit data/VOCdevkit/benchmark_RELEASE --check

It takes less than a minute on 2 cores. Masks that are there are kept: after a kill, run it again.
"""


def main() -> None:
    """Converts, or checks what was converted."""
    parser = make_parser(__doc__, HELP)
    parser.add_argument('devkit_path', type=Path, help='VOCdevkit, the folder with VOC2012 in it')
    parser.add_argument('aug_path', type=Path, help='benchmark_RELEASE, the unpacked SBD')
    parser.add_argument(
        '-o', '--out_dir', type=Path, help='default: DEVKIT/VOC2012/SegmentationClassAug'
    )
    args = parser.parse_args()
    out = args.out_dir or args.devkit_path / 'VOC2012' / 'SegmentationClassAug'
    if args.check:
        sources = read_sources(args.devkit_path, args.aug_path)
        print(sources.describe())
        masks = len(sources.annotated | sources.train)
        end_check(check(sources, out, args.nproc), f'{masks:,} masks and 2 lists')
        return
    done = convert(args.devkit_path, args.aug_path, out, args.nproc)
    for note in done.notes:
        print(note)
    print(f'{out}: {done.written:,} masks written, {done.kept:,} kept')
    counts = (f'{split}.txt {len(names):,}' for split, names in done.sources.lists.items())
    print(f'{done.sources.list_folder}: {", ".join(counts)} images')
    print(done.sources.describe())


if __name__ == '__main__':
    run_command(main)
