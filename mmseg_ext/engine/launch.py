"""torchrun for the ``tools/dist_*.sh`` scripts: checks first, one clear line when a check fails.

Takes torchrun's own arguments. What it adds: the config file and the number of GPUs are checked
before any process starts; on one machine ``--master_port=0`` picks a free port, so two jobs do
not collide; CPU threads are shared out; ``nohup`` holds; an error that a worker has already
explained is not buried under torchrun's report of it.
"""

import argparse
import contextlib
import logging
import os
import shlex
import signal
import socket
import sys
import tempfile
from pathlib import Path

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from .command import COMMAND, STOPPED
from .config import check_config_path
from .distributed import check_process_count, cpu_cores
from .errors import UsageError, run_command

# What dist_train.sh reads beside its arguments.
NODE_VARIABLES = ('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'PORT')


def main(argv: list[str] | None = None) -> None:
    """Checks, then runs one worker a GPU; exits with the status of the first that failed."""
    args = torchrun.parse_args(argv)
    config = args.training_script_args[0]
    for what, value in (('the number of GPUs', args.nproc_per_node), ('NNODES', args.nnodes)):
        if not value.isdigit():
            raise UsageError(f'{what} must be a whole number, got {value!r}')
    processes = int(args.nproc_per_node)
    check_config_path(config)
    check_process_count(processes)
    if args.master_port == 0:
        args.master_port = _free_port()
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, cpu_cores() // processes)))
    # idle threads sleep; spinning, they would take the cores from the other processes
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and hasattr(args, 'signals_to_handle'):
        # under nohup; torchrun would take the signal back and end the run with its terminal
        handled = args.signals_to_handle.split(',')
        args.signals_to_handle = ','.join(name for name in handled if name != 'SIGHUP')
    # the workers write their own errors; the agent's copy of a traceback hides them
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        stopped = Path(folder, 'stopped')
        os.environ[STOPPED] = str(stopped)
        os.environ[COMMAND] = _command(args)
        _run(args, stopped)


def _run(args: argparse.Namespace, stopped: Path) -> None:
    try:
        torchrun.run(args)
    except SignalException as error:
        if stopped.exists():  # the workers have saved, and said so
            sys.exit(0)
        with contextlib.suppress(OSError):  # the terminal may be lost
            print(f'ended by {error.sigval.name}; --resume goes on from the newest checkpoint')
        sys.exit(128 + error.sigval)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode != 2:
            print(f'error: process {rank} ended with status {failure.exitcode}', file=sys.stderr)
        sys.exit(failure.exitcode if failure.exitcode > 0 else 1)


def _command(args: argparse.Namespace) -> str:
    """What the user typed: the script beside the one that runs, and its arguments."""
    script = Path(args.training_script)
    launcher = os.path.relpath(script.with_name(f'dist_{script.stem}.sh'))
    config, *options = args.training_script_args
    options = [word for word in options if word not in ('--launcher', 'pytorch')]
    nodes = [f'{name}={os.environ[name]}' for name in NODE_VARIABLES if name in os.environ]
    return shlex.join([*nodes, launcher, config, args.nproc_per_node, *options])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


if __name__ == '__main__':
    run_command(main)
