#!/usr/bin/env python
"""Evaluates a checkpoint on the config's test set."""

import argparse

from mmengine.config import Config
from mmseg.registry import RUNNERS

from mmseg_ext.engine.cli import apply_guards, make_parser, parse_args
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.engine.evaluation import (
    add_hooks,
    check_options,
    choose_classes,
    has_truth,
    predict_alone,
    use_tta,
)

EXAMPLES = """examples:
  python tools/test.py CONFIG work_dirs/NAME/best_mIoU_epoch_20.pth
  python tools/test.py CONFIG CHECKPOINT --show-dir pictures  prediction, truth, difference
  python tools/test.py CONFIG CHECKPOINT --out masks          predicted labels as PNG files
  python tools/test.py CONFIG CHECKPOINT --worst 5            the 5 worst images of each class
  python tools/test.py CONFIG CHECKPOINT --classes car,road   the table over these alone
  python tools/test.py CONFIG CHECKPOINT --tta                scales and flips, averaged
  tools/dist_test.sh CONFIG CHECKPOINT 4                      four GPUs

Images without truth (no seg_map_path in data_prefix, or test_evaluator.format_only=True) are
predicted alone: give --out, --show-dir or --show.
"""


def make_config(args: argparse.Namespace) -> tuple[Config, list[str]]:
    """Loads the config, applies the command line to it, and leaves out what only training needs.

    Returns:
        The config, and what the user should know of how it was made.
    """
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    cfg.load_from = args.checkpoint
    cfg.resume = False
    apply_guards(cfg, args)
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{part}'] = None
    for name in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[name] = None
    if not cfg.get('test_dataloader') or not cfg.get('test_evaluator'):
        raise UsageError(f'{args.config} has no test_dataloader or no test_evaluator')
    check_options(args)
    notes, classes = [], None
    if args.tta:
        notes.append(use_tta(cfg))
    if not has_truth(cfg):
        notes.append(predict_alone(cfg, args))
    elif args.classes is not None:
        classes = choose_classes(cfg, args.classes)
    add_hooks(cfg, args, classes)
    return cfg, list(filter(None, notes))


def main() -> None:
    """Tests."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', metavar='DIR', help='save the predicted labels as PNG files')
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='save overlay, truth, prediction and difference of every image',
    )
    parser.add_argument(
        '--worst',
        type=int,
        metavar='K',
        help='a sheet of the K worst images of each class, in worst/ beside the log',
    )
    parser.add_argument(
        '--classes',
        nargs='*',
        metavar='NAME',
        help='table, means and sheets over these classes only; separated by spaces or commas',
    )
    parser.add_argument('--show', action='store_true', help='show each prediction in a window')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds a window stays')
    parser.add_argument('--tta', action='store_true', help='average over scales and flips')
    cfg, notes = make_config(parse_args(parser))
    runner = RUNNERS.get(cfg.get('runner_type', 'mmseg_ext.Runner')).from_cfg(cfg)
    for note in notes:
        runner.logger.info(note)
    runner.test()


if __name__ == '__main__':
    run_command(main)
