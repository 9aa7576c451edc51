#!/usr/bin/env python
"""Trains a network."""

import argparse

from mmengine.config import Config
from mmseg.registry import RUNNERS

from mmseg_ext.engine.cli import apply_guards, make_parser, parse_args
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError, run_command

EXAMPLES = """examples:
  python tools/train.py configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py
  python tools/train.py CONFIG --resume                      go on from the newest checkpoint
  python tools/train.py CONFIG --resume FILE                 go on from another one
  python tools/train.py CONFIG --cfg-options load_from=X.pth fine-tune from X.pth
  tools/dist_train.sh CONFIG 4                               four GPUs
"""


def make_config(args: argparse.Namespace) -> Config:
    """Loads the config and applies the command line to it."""
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    cfg.resume = args.resume
    apply_guards(cfg, args)
    if args.amp:
        wrapper = cfg.optim_wrapper
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise UsageError(f'--amp works with OptimWrapper, the config has {kind}')
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    return cfg


def main() -> None:
    """Trains."""
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='FILE',
        help='go on from the newest whole checkpoint of the run, or from FILE',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--resume-anyway',
        action='store_true',
        help='resume although settings were changed that the checkpoint overrules',
    )
    parser.add_argument(
        '--allow-overlap',
        action='store_true',
        help='train although validation images are in the training set, or images count twice',
    )
    parser.add_argument(
        '--strict',
        action='store_true',
        help='stop, not warn, when a fine-tuning has a much higher rate than its checkpoint had',
    )
    cfg = make_config(parse_args(parser))
    RUNNERS.get(cfg.get('runner_type', 'mmseg_ext.Runner')).from_cfg(cfg).train()


if __name__ == '__main__':
    run_command(main)
