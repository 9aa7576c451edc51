"""The options that tools/train.py and tools/test.py share; MMSegmentation's names and meanings."""

import argparse
import dataclasses
import os

from mmengine.config import Config, DictAction

from .guards import Guards


class KeyValues(DictAction):
    """MMEngine's ``KEY=VALUE ...``, which names an argument that is none."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Stores the dict."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string} takes KEY=VALUE, got {value!r}')
        super().__call__(parser, namespace, values, option_string)


def make_parser(description: str, epilog: str) -> argparse.ArgumentParser:
    """Makes a parser with ``config`` and the options common to training and testing.

    Args:
        description: What the command does.
        epilog: Examples.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of the run (default: work_dirs/NAME_OF_CONFIG)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        metavar='KEY=VALUE',
        help='change settings: train_dataloader.batch_size=2 optim_wrapper.optimizer.lr=1e-4',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes were started; tools/dist_*.sh and slurm_train.sh set it',
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='go on although weights did not load'
    )
    parser.add_argument(
        '--unsafe-load',
        action='store_true',
        help='load files that need more than tensors and plain data; they can run any program',
    )
    # torch.distributed.launch, which older scripts still call, passes it
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def parse_args(
    parser: argparse.ArgumentParser, argv: list[str] | None = None
) -> argparse.Namespace:
    """Parses, and makes sure that ``LOCAL_RANK`` is set, which MMEngine reads."""
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def apply_guards(cfg: Config, args: argparse.Namespace) -> None:
    """Puts the switches that are on into ``cfg.guards``; the others leave it as it is."""
    names = [field.name for field in dataclasses.fields(Guards)]
    switched_on = {name: True for name in names if getattr(args, name, False) is True}
    if switched_on:
        cfg.guards = {**(cfg.get('guards') or {}), **switched_on}
