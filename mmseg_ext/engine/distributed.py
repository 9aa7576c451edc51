"""Processes and devices: how many there may be, and process groups on machines without a GPU."""

import os
import subprocess

import torch
from mmengine.device import get_device
from mmengine.dist import all_gather_object, get_dist_info, init_dist, is_distributed
from mmengine.utils.dl_utils import set_multi_processing

from .errors import UsageError


def check_process_count(processes: int) -> None:
    """Raises ``UsageError`` if this machine cannot give each local process a device of its own.

    Args:
        processes: Processes on this machine, one per GPU; per CPU core where there is no GPU.
    """
    gpus = torch.cuda.device_count()
    cores = cpu_cores()
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


def cpu_cores() -> int:
    """CPU cores that this process may use, which a container or Slurm may limit."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_process_count() -> int:
    """Processes of this job on this machine, as torchrun or Slurm announce them; 1 alone."""
    return int(os.environ.get('LOCAL_WORLD_SIZE') or _slurm('NTASKS_PER_NODE') or 1)


def join_process_group(launcher: str, env_cfg: dict) -> None:
    """Joins the job's process group as MMEngine would, over gloo on machines without a GPU.

    Args:
        launcher: ``pytorch`` (torchrun's variables), ``slurm`` (srun's) or ``mpi``.
        env_cfg: The config's ``env_cfg``.
    """
    if is_distributed():
        return
    set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
    if on_cpu():
        _init_gloo(launcher)
    else:
        init_dist(launcher, **env_cfg.get('dist_cfg', {}))


def raise_together(error: UsageError | None) -> None:
    """Raises in every process if one has an error, so that none runs ahead of a failed check.

    Args:
        error: This process's error, or None.
    """
    messages = all_gather_object(None if error is None else str(error))
    first = next((message for message in messages if message), None)
    if error is None and first:
        error = UsageError(first)
        error.shared = True
    if error is not None:
        raise error


def gather_samples(values: list, size: int) -> list:
    """Gathers one value a sample from all processes, each sample once.

    MMEngine's DefaultSampler gives sample k of process r position ``k * processes + r``, and gives
    some samples again from position ``size`` on, so that all processes get equally many.

    Args:
        values: Of this process's samples, in their order; what can be pickled.
        size: Number of samples of the data set.

    Returns:
        In every process the same: the first process's values, then the next one's.
    """
    rank, world_size = get_dist_info()
    own = [value for k, value in enumerate(values) if k * world_size + rank < size]
    return [value for part in all_gather_object(own) for value in part]


def recorded_world_size(meta: dict) -> int | None:
    """The number of processes that a checkpoint was trained on, if it says so.

    Args:
        meta: The checkpoint's ``meta``.
    """
    return (meta.get('provenance') or {}).get('world_size', meta.get('world_size'))


def on_cpu() -> bool:
    """Whether networks of this process run on the CPU."""
    return get_device() == 'cpu'


def _init_gloo(launcher: str) -> None:
    # MMEngine's init_dist insists on CUDA
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


def _slurm(name: str) -> str | None:
    return os.environ.get(f'SLURM_{name}')
