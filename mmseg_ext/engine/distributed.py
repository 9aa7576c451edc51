"""Processes and devices: how many there may be, and process groups on machines without a GPU."""

import os
import subprocess

import torch
from mmengine.device import get_device

from .errors import UsageError


def check_process_count(processes: int) -> None:
    """Raises ``UsageError`` if this machine cannot give each local process a device of its own.

    Args:
        processes: Processes on this machine, one per GPU; per CPU core where there is no GPU.
    """
    gpus = torch.cuda.device_count()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    if processes < 1:
        raise UsageError(f'the number of GPUs must be at least 1, got {processes}')
    if gpus and processes > gpus:
        visible = os.environ.get('CUDA_VISIBLE_DEVICES')
        why = f' (CUDA_VISIBLE_DEVICES={visible})' if visible else ''
        raise UsageError(f'{processes} GPUs asked for, {gpus} visible{why}; ask for at most {gpus}')
    if not gpus and processes > cores:
        raise UsageError(
            f'{processes} processes asked for; this machine has no visible GPU and {cores} CPU '
            f'cores; ask for at most {cores}'
        )


def local_process_count() -> int:
    """Processes of this job on this machine, as torchrun or Slurm announce them; 1 alone."""
    return int(os.environ.get('LOCAL_WORLD_SIZE') or _slurm('NTASKS_PER_NODE') or 1)


def is_local_main() -> bool:
    """Whether this is the process that speaks for its machine."""
    return int(os.environ.get('LOCAL_RANK') or _slurm('LOCALID') or 0) == 0


def init_cpu_process_group(launcher: str) -> None:
    """Joins a gloo process group, on machines without a GPU; MMEngine itself insists on CUDA.

    Args:
        launcher: ``pytorch`` (torchrun's variables) or ``slurm`` (srun's).

    Raises:
        UsageError: Another launcher.
    """
    if launcher == 'slurm':
        nodes = ['scontrol', 'show', 'hostnames', _slurm('NODELIST')]
        first = subprocess.run(nodes, check=True, capture_output=True, text=True).stdout.split()[0]
        os.environ.setdefault('MASTER_ADDR', first)
        os.environ.setdefault('MASTER_PORT', '29500')
        os.environ['RANK'] = _slurm('PROCID')
        os.environ['WORLD_SIZE'] = _slurm('NTASKS')
        os.environ['LOCAL_RANK'] = _slurm('LOCALID')
    elif launcher != 'pytorch':
        raise UsageError(
            f'--launcher {launcher} needs CUDA devices; without them use tools/dist_train.sh'
        )
    torch.distributed.init_process_group('gloo')


def on_cpu() -> bool:
    """Whether networks of this process run on the CPU."""
    return get_device() == 'cpu'


def _slurm(name: str) -> str | None:
    return os.environ.get(f'SLURM_{name}')
