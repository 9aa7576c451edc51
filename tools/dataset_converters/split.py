#!/usr/bin/env python
"""Splits a folder of images and one of label files into training, validation and test sets.

Pairs them by name: a/b.jpg with a/b.png, b_mask.png, b_labelIds.png and the like; what finds no
partner is named. Writes OUT/train.txt, val.txt (and test.txt), or CSV files.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.cli import end_check, make_parser
from mmseg_ext.prepare.labels import count_labels
from mmseg_ext.prepare.pairs import Pair, find_folders, find_pairs
from mmseg_ext.prepare.split import ORDERS, TIME, Rule, split_pairs
from mmseg_ext.prepare.split_files import SplitFiles, check_listable

EXAMPLES = """examples:
  a tenth for validation, drawn by chance:
    python tools/dataset_converters/split.py data/my/images data/my/masks data/my/splits
  video: the last tenth in time, 50 frames between it and the training frames unused:
    python tools/dataset_converters/split.py data/my/images data/my/masks data/my/splits \\
        --by time --gap 50
  whole recordings, named before the first _, in one set; 200 images for val, 100 for test:
    ... --group '^[^_]+' --val 200 --test 100
  WildScenes (https://data.csiro.au/collection/csiro:61541; the benchmark has its own split):
    python tools/dataset_converters/split.py 'data/WildScenes/WildScenes2d/*/image' \\
        'data/WildScenes/WildScenes2d/*/indexLabel' data/WildScenes/splits --csv --by time
  what is there, verified against the folders:
    ... --check

docs/own-data.md leads from a folder of images and masks to a trained network.
"""


def amount(text: str) -> float | int:
    """Reads a share (0.1) or a number (200)."""
    value = float(text) if '.' in text else int(text)
    if value < 0 or (isinstance(value, float) and value >= 1):
        raise argparse.ArgumentTypeError(f'needs a share below 1 or a whole number, got {text}')
    return value


def whole(text: str) -> int:
    """Reads a whole number, 0 or more."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f'needs 0 or more, got {text}')
    return int(text)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('images', help='folder of the images; * stands for any folder name')
    parser.add_argument('masks', help='folder of the label files, one byte a pixel')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for the lists')
    new = Rule()
    parser.add_argument(
        '--val', type=amount, default=new.val, help='share or number (default: %(default)s)'
    )
    parser.add_argument(
        '--test', type=amount, default=new.test, help='the same for a test set (default: none)'
    )
    parser.add_argument(
        '--by',
        choices=ORDERS,
        default=new.by,
        help='random (the default); or in the order of the names, the time stamps in them, or the '
        "files' times of change: the first are train, then val, then test",
    )
    parser.add_argument('--seed', type=int, help=f'for --by random (default: {new.seed})')
    parser.add_argument(
        '--gap', type=whole, default=0, metavar='N', help='images left out between the sets'
    )
    parser.add_argument(
        '--group', metavar='REGEX', help='what names of one recording have in common'
    )
    parser.add_argument(
        '--time-regex',
        metavar='REGEX',
        help='where the time is in a name, a number in each bracket '
        '(default: UNIX times, such as 1623370893-376340233, and dates)',
    )
    parser.add_argument('--img-suffix', metavar='END', help='what the images end in: _photo.jpg')
    parser.add_argument('--seg-map-suffix', metavar='END', help='the same of the label files')
    parser.add_argument(
        '--allow-unpaired', action='store_true', help='leave out files without a partner'
    )
    parser.add_argument(
        '--csv', action='store_true', help='write CSV files: id,im_path,label_path, as WildScenes'
    )
    parser.add_argument(
        '--root',
        type=Path,
        help='data_root, which the paths in CSV files are relative to (default: the folder that '
        'holds both)',
    )
    parser.add_argument(
        '--count', action='store_true', help="count each set's labels, and warn if train lacks one"
    )
    parser.add_argument('--force', action='store_true', help='replace another split')
    args = parser.parse_args()
    for given, needs, option in (
        (args.seed is not None, args.by == 'random', '--seed needs --by random'),
        (args.time_regex is not None, args.by == 'time', '--time-regex needs --by time'),
        (args.root is not None, args.csv, '--root needs --csv'),
    ):
        if given and not needs:
            parser.error(option)
    return args


def main() -> None:
    """Splits, or checks a split."""
    args = parse_args()
    found = find_pairs(args.images, args.masks, args.img_suffix, args.seg_map_suffix)
    for lone, what in ((found.lone_images, 'label file'), (found.lone_masks, 'image')):
        say_lone(lone, what, args.allow_unpaired)
    pairs, root = found.pairs, None
    if args.csv:
        tops = [
            os.path.abspath(top) for f in (args.images, args.masks) for _, top in find_folders(f)
        ]
        root = args.root or Path(os.path.relpath(os.path.commonpath(tops)))
    else:
        check_listable(pairs, args.images, args.masks)
    files = SplitFiles(args.out, (args.images, args.masks), root)
    if args.check:
        end_check(files.check(pairs), f'{len(pairs):,} pairs and the split in {args.out}')
        return
    rule = Rule(
        args.val, args.test, args.by, args.seed or 0, args.gap, args.group, args.time_regex or TIME
    )
    parts = split_pairs(pairs, rule)
    counts = {}
    if args.count:
        for part in parts.keys() - {'left_out'}:
            masks = [pair.mask for pair in parts[part]]
            counts[part] = count_labels(masks, args.nproc, f'labels of {part}')
    written = files.write(parts, args.force)
    show(parts, counts)
    print(f'{args.out}: {"written" if written else "the same split is there, kept"}')
    print(f'in a config, for the training set:\n\n{files.config_lines(pairs)}')


def say_lone(files: Sequence[Path], what: str, allowed: bool) -> None:
    """Names files without a partner; ends the command unless that is allowed."""
    if not files:
        return
    shown = ', '.join(str(file) for file in files[:5]) + (', ...' if len(files) > 5 else '')
    message = f'{len(files):,} files have no {what}: {shown}'
    if not allowed:
        raise UsageError(f'{message}; --allow-unpaired leaves them out')
    print(f'left out: {message}')


def show(parts: dict[str, list[Pair]], counts: dict[str, np.ndarray]) -> None:
    """Prints the sets, and the share of each label in them."""
    total = sum(len(pairs) for pairs in parts.values())
    table = Table('set', 'images', 'share', 'first', 'last')
    for part, pairs in parts.items():
        share = f'{len(pairs) / total:.1%}'
        table.add_row(part, f'{len(pairs):,}', share, pairs[0].name, pairs[-1].name)
    console = Console()
    console.print(table)
    if not counts:
        return
    order = [part for part in parts if part in counts]
    labels = np.flatnonzero(sum(counts.values()))
    table = Table('label', *(f'{part}, % of pixels' for part in order))
    for label in labels:
        shares = (100 * counts[part][label] / counts[part].sum() for part in order)
        table.add_row(str(label), *(f'{share:.3f}' if share else '-' for share in shares))
    console.print(table)
    for label in labels:
        missing = [part for part in order if not counts[part][label]]
        if 'train' in missing:
            there = ' and '.join(part for part in order if part not in missing)
            print(f'warning: label {label} is in {there} alone: no network can learn it')
        elif missing:
            print(f'label {label} is not in {" and ".join(missing)}: no IoU of it there')


if __name__ == '__main__':
    run_command(main)
