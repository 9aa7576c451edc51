#!/usr/bin/env python
"""Turns masks of other values (0 and 255) or of colours into label files of one byte a pixel."""

from pathlib import Path

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.cli import end_check, make_parser
from mmseg_ext.prepare.recode import check_recoded, parse_map, recode

EXAMPLES = """examples:
  black and white:
    python tools/dataset_converters/recode.py data/my/masks data/my/labels --map 0=0,255=1
  colours, red, green and blue; white becomes 255, which is ignored:
    ... --map '0,0,0=0 128,0,0=1 0,128,0=2 255,255,255=255'
  from a file, an entry a line, # begins a comment:
    ... --map colours.txt

A value that the map lacks is an error, with the name of the file. The label files have the masks'
names, as .png; the map is kept beside them.
"""


def read_map(file: Path) -> str:
    """Reads a file of entries."""
    if not file.is_file():
        raise UsageError(f'--map {file}: no such file, and no map such as 0=0,255=1')
    return file.read_text()


def main() -> None:
    """Converts, or checks."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('masks', type=Path, help='folder of the masks; folders in it count too')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for the label files')
    parser.add_argument(
        '--map', required=True, metavar='MAP', help='VALUE=LABEL or R,G,B=LABEL, or a file of them'
    )
    args = parser.parse_args()
    label_of = parse_map(args.map if '=' in args.map else read_map(Path(args.map)))
    if args.check:
        faults = check_recoded(args.masks, args.out, label_of, args.nproc)
        end_check(faults, f'the label files of {args.masks} in {args.out}')
        return
    written = recode(args.masks, args.out, label_of, args.nproc)
    print(f'{args.out}: {written:,} label files written; labels {sorted({*label_of.values()})}')


if __name__ == '__main__':
    run_command(main)
