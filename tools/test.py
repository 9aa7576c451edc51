#!/usr/bin/env python
"""Evaluates a checkpoint on the config's test set."""

import argparse

from mmengine.config import Config
from mmseg.registry import RUNNERS

from mmseg_ext.engine.cli import apply_guards, make_parser, parse_args
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError, run_command

EXAMPLES = """examples:
  python tools/test.py CONFIG work_dirs/NAME/best_mIoU_epoch_20.pth
  python tools/test.py CONFIG CHECKPOINT --show-dir pictures  image, truth, prediction
  python tools/test.py CONFIG CHECKPOINT --out masks          predicted labels as PNG files
  python tools/test.py CONFIG CHECKPOINT --tta                scales and flips, averaged
  tools/dist_test.sh CONFIG CHECKPOINT 4                      four GPUs
"""


def make_config(args: argparse.Namespace) -> Config:
    """Loads the config, applies the command line to it, and leaves out what only training needs."""
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
    if args.tta:
        missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
        if missing:
            raise UsageError(f'--tta needs {" and ".join(missing)} in the config; see ade20k.py')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.tta_model.module = cfg.model
        cfg.model = cfg.tta_model
    if args.out:
        evaluators = cfg.test_evaluator
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            evaluator.output_dir = args.out
    hooks = cfg.setdefault('default_hooks', {})
    if args.show_dir:
        hooks['show_dir'] = dict(type='mmseg_ext.ShowDirHook', out_dir=args.show_dir)
    if args.show:
        hooks['visualization'] = dict(
            type='SegVisualizationHook', draw=True, show=True, wait_time=args.wait_time
        )
    return cfg


def main() -> None:
    """Tests."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', metavar='DIR', help='save the predicted labels as PNG files')
    parser.add_argument(
        '--show-dir', metavar='DIR', help='save image, truth and prediction of every image'
    )
    parser.add_argument('--show', action='store_true', help='show each prediction in a window')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds a window stays')
    parser.add_argument('--tta', action='store_true', help='average over scales and flips')
    cfg = make_config(parse_args(parser))
    RUNNERS.get(cfg.get('runner_type', 'mmseg_ext.Runner')).from_cfg(cfg).test()


if __name__ == '__main__':
    run_command(main)
