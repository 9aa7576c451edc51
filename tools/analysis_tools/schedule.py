#!/usr/bin/env python
"""Turns a training recipe from iterations into epochs, and from many GPUs to those at hand.

With numbers alone it converts between epochs and iterations, and gives the learning rate for
another batch. With a config it prints what trains, as written and on your GPUs, and the
--cfg-options that keep the recipe there.
"""

import argparse

from rich.console import Console

from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.errors import UsageError, run_command
from mmseg_ext.engine.recipe.report import (
    describe_command,
    list_notes,
    print_length,
    print_rates,
    print_recipes,
)
from mmseg_ext.engine.recipe.rules import check_positive, choose_setup, convert_length

NUMBERS = ('batch', 'epochs', 'iters', 'lr', 'from_batch')
SETTINGS = ('gpus', 'batch_size', 'of_gpus')

EXAMPLES = """examples:
  epochs of a published recipe, and the iterations of a length in epochs:
    python tools/analysis_tools/schedule.py --images 10582 --iters 160000 --batch 16
    python tools/analysis_tools/schedule.py --images 10582 --epochs 200 --batch 18
  as many samples, and the learning rate, with another batch:
    python tools/analysis_tools/schedule.py --images 10582 --iters 160000 --from-batch 16 --batch 18
    python tools/analysis_tools/schedule.py --lr 6e-5 --from-batch 16 --batch 18
  a leaf on one GPU, which holds no more than 4 images at a time:
    python tools/analysis_tools/schedule.py CONFIG --gpus 1 --batch-size 4
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='?', help='config file; without one, numbers alone')
    parser.add_argument(
        '--images', type=int, metavar='N', help="training images (default: counts the config's)"
    )
    numbers = parser.add_argument_group('numbers alone')
    numbers.add_argument('--batch', type=int, metavar='N', help='images a step, on all GPUs')
    numbers.add_argument('--epochs', type=int, metavar='N', help='length in epochs')
    numbers.add_argument('--iters', type=int, metavar='N', help='length in iterations')
    numbers.add_argument('--lr', type=float, metavar='RATE', help='learning rate to convert')
    numbers.add_argument(
        '--from-batch', type=int, metavar='N', help='images a step that --lr or --iters is for'
    )
    leaf = parser.add_argument_group('with a config')
    leaf.add_argument('--gpus', type=int, metavar='N', help='GPUs at hand (default: 1)')
    leaf.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help="most images a GPU holds at a time (default: the config's); fewer to reach the batch",
    )
    leaf.add_argument(
        '--of-gpus', type=int, metavar='N', help='GPUs the recipe is for (default: its name says)'
    )
    leaf.add_argument(
        '--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help='change settings'
    )
    return parser.parse_args()


def main() -> None:
    """Converts numbers, or reads a config."""
    args = parse_args()
    check_args(args)
    console = Console()
    if args.config:
        plan(args, console)
    else:
        convert(args, console)


def check_args(args: argparse.Namespace) -> None:
    """Checks that numbers are above 0, and that no option belongs to the other way of use."""
    numbers = {name: getattr(args, name) for name in NUMBERS}
    settings = {name: getattr(args, name) for name in SETTINGS}
    check_positive(images=args.images, **numbers, **settings)
    settings['cfg_options'] = args.cfg_options
    other, kind = (numbers, 'numbers alone') if args.config else (settings, 'a config')
    for name, value in other.items():
        if value is not None:
            raise UsageError(f'--{name.replace("_", "-")} goes with {kind}; see --help')


def convert(args: argparse.Namespace, console: Console) -> None:
    """Converts a length, a learning rate, or both."""
    if not args.batch:
        raise UsageError('numbers alone need --batch, or give a config; see --help')
    if args.lr:
        if not args.from_batch:
            raise UsageError('--lr needs --from-batch, the batch that it is for')
        print_rates(console, args.lr, args.from_batch, args.batch)
    if args.lr and not (args.images or args.epochs or args.iters):
        return
    if not args.images:
        raise UsageError('--epochs and --iters need --images, the number of training images')
    batches = [args.from_batch, args.batch] if args.from_batch else [args.batch]
    length = convert_length(args.images, batches[0], args.epochs, args.iters)
    print_length(console, length, args.images, batches)


def plan(args: argparse.Namespace, console: Console) -> None:
    """Prints what a config trains, and what keeps that on the GPUs at hand."""
    # they bring torch and MMSegmentation, which take seconds to import
    from mmengine.registry import init_default_scope

    from mmseg_ext.engine.config import load_config
    from mmseg_ext.engine.optim_checks import check_schedule
    from mmseg_ext.engine.recipe.options import apply_options, keep_recipe
    from mmseg_ext.engine.recipe.rates import compare_rates
    from mmseg_ext.engine.recipe.reading import count_images, read_recipe, read_setup

    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    written, note = read_setup(cfg, args.of_gpus)
    check_schedule(cfg)
    images = args.images or count_images(cfg)
    gpus = args.gpus or 1
    here = choose_setup(written.total, gpus, args.batch_size or written.batch)
    old = read_recipe(cfg, written, images)
    options = keep_recipe(old, here)
    new = read_recipe(apply_options(cfg, options), here, images)

    rates = compare_rates(old, new)
    print_recipes(console, old, new, rates)
    command = describe_command(args.config, gpus, {**(args.cfg_options or {}), **options})
    console.print(command, markup=False, highlight=False, soft_wrap=True)
    unknown = (
        'the learning rates are not shown: optim_wrapper.optimizer says none, or a scheduler in '
        'param_scheduler is not registered in MMEngine or does not take what it is given'
    )
    for said in [note] * bool(note) + [unknown] * (rates is None) + list_notes(old, new):
        console.print(f'note: {said}', markup=False, highlight=False, soft_wrap=True)


if __name__ == '__main__':
    run_command(main)
