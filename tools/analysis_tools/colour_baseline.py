#!/usr/bin/env python
"""Prints the mIoU that colour alone reaches on a config's validation set: a floor for networks."""

import argparse
from pathlib import Path

from mmengine.registry import init_default_scope
from rich.progress import track

from mmseg_ext.engine import preflight
from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.metrics.colour_baseline import build_datasets, colour_baseline, load_samples
from mmseg_ext.records.history import read_validations

EXAMPLE = """examples:
  python tools/analysis_tools/colour_baseline.py CONFIG --max-train-images 500
  python tools/analysis_tools/colour_baseline.py CONFIG --run work_dirs/NAME
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--max-train-images', type=int, metavar='N', help='average over N images, evenly spaced'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    parser.add_argument('--run', type=Path, metavar='WORK_DIR', help='compare with this run')
    return parser.parse_args()


def main() -> None:
    """Fits and scores the two predictors."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    complete_config(cfg)
    validations = read_validations(args.run) if args.run else None
    if args.run and not validations:
        raise UsageError(f'no validation in {args.run}/metrics.json')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    for split in ('train', 'val'):
        if not cfg.get(f'{split}_dataloader'):
            raise UsageError(f'{args.config} has no {split}_dataloader')
        preflight.check_data(split, cfg[f'{split}_dataloader'].dataset, cfg.get('model') or {})
    train, val = (build_datasets(cfg[f'{split}_dataloader'].dataset) for split in ('train', 'val'))
    classes, ignore_index = train[0].metainfo['classes'], train[0].ignore_index
    try:
        baseline = colour_baseline(
            load_samples(train, args.max_train_images, lambda s: track(s, 'mean colours')),
            load_samples(val, progress=lambda s: track(s, 'scoring')),
            len(classes),
            ignore_index,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    majority = f'always {classes[baseline.majority_class]}'
    for name, scores in (('nearest mean colour', baseline.nearest), (majority, baseline.majority)):
        print(f'{name:24} mIoU {scores.mIoU:6.2f}  aAcc {scores.aAcc:6.2f}')
    if not args.run:
        return
    metrics = validations[-1]['metrics']
    print(f'{"network":24} mIoU {metrics["mIoU"]:6.2f}  aAcc {metrics["aAcc"]:6.2f}', end='')
    print(f'  ({metrics["mIoU"] - baseline.floor:+.2f} mIoU over the better of the two)')


if __name__ == '__main__':
    run_command(main)
