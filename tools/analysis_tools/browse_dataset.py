#!/usr/bin/env python
"""Draws a sheet of what the network will see: after the pipeline and the data preprocessor."""

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmseg_ext.datasets.browse import Browser, Sample, masks_with_class
from mmseg_ext.datasets.browse_batches import BatchBrowser
from mmseg_ext.datasets.check.parts import SPLITS, Part, find_split
from mmseg_ext.engine import preflight
from mmseg_ext.engine.batch_checks import is_ours
from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.prepare.cli import add_nproc, at_least_one
from mmseg_ext.prepare.palette import voc_palette
from mmseg_ext.records.sample_sheets import draw_samples, draw_stages

EXAMPLES = """examples:
  python tools/analysis_tools/browse_dataset.py CONFIG
  python tools/analysis_tools/browse_dataset.py CONFIG --split val --num 6 --out val.png
  python tools/analysis_tools/browse_dataset.py CONFIG --class bicycle --show-original
  python tools/analysis_tools/browse_dataset.py CONFIG --stages --num 4
  python tools/analysis_tools/browse_dataset.py CONFIG --output-dir sheets --num 100

Labels are drawn in the data set's colours; what is ignored, padding too, is hatched, and labels
outside the classes are magenta. A seed gives the samples of a run's first epoch; what the data
preprocessor mixes (batch_augments) it mixes among the samples drawn here, in batches of training.
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--split', choices=SPLITS, default='train', help='which loader (default: %(default)s)'
    )
    parser.add_argument(
        '--num', type=at_least_one, default=12, metavar='N',
        help='samples, evenly spread (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--class', dest='class_name', metavar='NAME', help='only images that hold this class'
    )
    parser.add_argument(
        '--seed', type=int, metavar='N', help="of the augmentation (default: the config's, or 0)"
    )
    parser.add_argument(
        '--stages', action='store_true', help='show each transform that changes the sample'
    )
    parser.add_argument(
        '--show-original', action='store_true', help='show the labels as they were loaded, too'
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE.png', help='default: browse_SPLIT.png in the work_dir'
    )
    parser.add_argument('--output-dir', type=Path, metavar='DIR', help='a sheet a sample')
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    add_nproc(parser)
    # MMSegmentation's scripts pass them; nothing here opens a window
    parser.add_argument('--not-show', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--show-interval', type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.out and args.output_dir:
        parser.error('--out is one sheet, --output-dir one a sample: give one of them')
    if args.stages and args.show_original:
        parser.error('--stages shows the labels as loaded anyway: leave out --show-original')
    return args


def main() -> None:
    """Draws."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    complete_config(cfg)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    preflight.check_types(cfg)
    loader, model = cfg.get(f'{args.split}_dataloader'), cfg.get('model') or {}
    if not loader:
        raise UsageError(f'{args.config} has no {args.split}_dataloader')
    parts, findings = find_split(args.split, loader['dataset'], model)
    if not parts:
        raise UsageError('; '.join(f'{each.where}: {each.message}' for each in findings))
    seed = args.seed if args.seed is not None else (cfg.get('randomness') or {}).get('seed') or 0
    is_bgr = not (model.get('data_preprocessor') or {}).get('rgb_to_bgr')
    browser = Browser(loader['dataset'], seed, is_bgr)
    masks = masks_with_class(parts, args.class_name, args.nproc) if args.class_name else None
    indices = browser.spread(args.num, masks)
    if args.split == 'train' and is_ours(model.get('data_preprocessor')):
        batch_size = loader.get('batch_size') or 1
        samples = BatchBrowser(browser, model['data_preprocessor'], batch_size).load(indices)
    else:
        samples = [browser.load(index) for index in indices]
    _draw(args, cfg, samples, parts[0])


def _draw(args: argparse.Namespace, cfg: Config, samples: list[Sample], part: Part) -> None:
    title = f'{Path(args.config).stem}, {args.split}'
    if args.class_name:
        title += f', images with {args.class_name}'
    settings = dict(
        classes=part.classes,
        palette=part.dataset.metainfo.get('palette') or voc_palette()[: len(part.classes)],
        ignore_index=getattr(part.dataset, 'ignore_index', 255),
    )

    def draw(path: Path, chosen: list[Sample]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if args.stages:
            draw_stages(path, chosen, title=title, **settings)
        else:
            original = args.show_original
            draw_samples(path, chosen, title=title, with_original_labels=original, **settings)

    if args.output_dir:
        for number, sample in enumerate(samples):
            # numbered: other folders may hold an image of the same name
            draw(args.output_dir / f'{number:04}_{Path(sample.name).stem}.png', [sample])
        print(f'{len(samples)} sheets in {args.output_dir}')
        return
    out = args.out or Path(cfg.work_dir) / f'browse_{args.split}.png'
    draw(out, samples)
    print(out)


if __name__ == '__main__':
    run_command(main)
