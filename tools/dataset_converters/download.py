#!/usr/bin/env python
"""Fetches VOC 2012, SBD and ADE20K, unpacks them to where the configs expect them, and converts."""

from pathlib import Path

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.cli import end_check, make_parser
from mmseg_ext.prepare.download import check_release, convert_sbd, get_release
from mmseg_ext.prepare.releases import RELEASES


def describe() -> str:
    """The data sets, and how to use this."""
    lines = ['data sets:']
    for name, release in RELEASES.items():
        lines += [
            f'  {name:7} {release.title}; {release.size / 1e9:.1f} GB',
            f'          to data/{release.target}',
            f'          {release.page}',
        ]
    return (
        '\n'.join(lines)
        + """

A download that was cut off goes on where it stopped. Size and checksum are verified. With VOC and
SBD in place, SegmentationClassAug, aug.txt and trainaug.txt are made (voc_aug.py). The archives
go once they are unpacked, unless --keep-archive.

examples:
  python tools/dataset_converters/download.py voc sbd
  python tools/dataset_converters/download.py ade20k --data-root /datasets
  python tools/dataset_converters/download.py voc --archive ~/Downloads/VOCtrainval_11-May-2012.tar
  python tools/dataset_converters/download.py voc sbd ade20k --check
"""
    )


def main() -> None:
    """Fetches, or checks."""
    parser = make_parser(__doc__, describe())
    parser.add_argument('names', nargs='+', choices=RELEASES, metavar='NAME', help='data sets')
    parser.add_argument('--data-root', type=Path, default=Path('data'), help='default: %(default)s')
    parser.add_argument('--archive', type=Path, help='an archive that was fetched by hand')
    parser.add_argument('--keep-archive', action='store_true', help='in DATA_ROOT/downloads')
    args = parser.parse_args()
    names = list(dict.fromkeys(args.names))
    if args.archive and len(names) > 1:
        raise UsageError('--archive is of one data set; name that one alone')
    if args.check:
        faults = []
        for name in names:
            faults += check_release(name, args.data_root, RELEASES[name], args.archive)
        end_check(faults, f'{", ".join(names)} in {args.data_root}')
        return
    problems = []
    for name in names:
        place = args.data_root / RELEASES[name].target
        try:
            new = get_release(name, args.data_root, RELEASES[name], args.archive, args.keep_archive)
            print(f'{place}: {"written" if new else "there already, whole"}')
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError('\n\n'.join(problems))
    # with VOC alone there is nothing to convert
    sbd_there = (args.data_root / RELEASES['sbd'].target).is_dir()
    if 'sbd' in names or ('voc' in names and sbd_there):
        print(convert_sbd(args.data_root, args.nproc))


if __name__ == '__main__':
    run_command(main)
