"""The options that tools/train.py and tools/test.py share; MMSegmentation's names and meanings."""

import argparse
import os

from mmengine.config import DictAction


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
