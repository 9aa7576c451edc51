#!/usr/bin/env python
"""Evaluates a checkpoint on the config's test set."""

import argparse

from mmengine.config import Config
from mmseg.registry import RUNNERS

from mmseg_ext.engine.cli import apply_guards, make_parser, parse_args
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.engine.evaluation import (
    check_folder,
    choose_classes,
    find_evaluators,
    has_truth,
    leave_out_truth,
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


NO_TRUTH = (
    'test_dataloader.dataset has no seg_map_path in its data_prefix, or test_evaluator says '
    'format_only'
)


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
    check_folder('--out', args.out)
    check_folder('--show-dir', args.show_dir)
    if args.worst is not None and args.worst < 1:
        raise UsageError(f'--worst {args.worst}: takes a number of images, 1 or more')
    notes, classes = [], None
    if args.tta:
        notes.append(use_tta(cfg))
    if not has_truth(cfg):
        notes.append(predict_alone(cfg, args))
    elif args.classes is not None:
        classes = choose_classes(cfg, args.classes)
    hooks = cfg.setdefault('default_hooks', {})
    hooks['class_names'] = dict(type='mmseg_ext.ClassNamesHook')
    hooks['truth_size'] = dict(type='mmseg_ext.TruthSizeHook')
    hooks['progress'] = dict(type='mmseg_ext.ProgressHook')
    if args.out:
        hooks['mask_files'] = dict(type='mmseg_ext.MaskFilesHook', out_dir=args.out)
    if args.show_dir:
        hooks['show_dir'] = dict(
            type='mmseg_ext.ShowDirHook', out_dir=args.show_dir, classes=classes
        )
    if args.worst:
        hooks['worst_images'] = dict(
            type='mmseg_ext.WorstImagesHook', num_images=args.worst, classes=classes
        )
    if args.show:
        hooks['visualization'] = dict(
            type='SegVisualizationHook', draw=True, show=True, wait_time=args.wait_time
        )
    return cfg, list(filter(None, notes))


def predict_alone(cfg: Config, args: argparse.Namespace) -> str:
    """Prepares a test without truth; returns what to say of it.

    Raises:
        UsageError: The options need truth, or nothing would come of it.
    """
    for option, given in (('--worst', args.worst), ('--classes', args.classes)):
        if given is not None:
            raise UsageError(f'{option} needs truth: {NO_TRUTH}; add seg_map_path, or leave it out')
    writes = any(evaluator.get('output_dir') for evaluator in find_evaluators(cfg))
    if not (args.out or args.show_dir or args.show or writes):
        raise UsageError(
            f'nothing to evaluate against: {NO_TRUTH}; --out DIR writes the predictions, or add '
            'seg_map_path'
        )
    leave_out_truth(cfg)
    return f'{NO_TRUTH}: predictions alone, no metric is computed'


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
