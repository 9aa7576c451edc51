"""What the machine offers: GPUs, a backend for several processes, disk and shared memory."""

import os
import shutil
from pathlib import Path
from types import ModuleType

from .row import Row
from .stack import first_line

GIB = 2**30


def gpu_rows(torch: ModuleType) -> list[Row]:
    """Each CUDA device, tried with one addition; a warning if there is none."""
    count = torch.cuda.device_count()
    if count:
        return [_gpu_row(torch, index) for index in range(count)]
    mend = 'enough for the demo; real data sets ask for a CUDA GPU'
    driver = shutil.which('nvidia-smi')
    if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
        mend = 'unset CUDA_VISIBLE_DEVICES, which hides every GPU'
    elif driver and torch.version.cuda:
        mend = (
            f'nvidia-smi exists but torch sees no GPU: update the driver until nvidia-smi names '
            f'CUDA {torch.version.cuda} or newer, or give the container its GPUs (docker --gpus)'
        )
    elif driver:
        mend = 'nvidia-smi exists but this torch is a CPU build: install a CUDA build of torch'
    return [Row('GPU', 'none: training runs on the CPU', 'warning', mend)]


def _gpu_row(torch: ModuleType, index: int) -> Row:
    what = f'GPU {index}'
    try:
        device = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        torch.ones(1, device=f'cuda:{index}').add(1).item()
    except RuntimeError as error:
        mend = (
            'leave it out with CUDA_VISIBLE_DEVICES, or install a torch that is built for this '
            'card and driver'
        )
        return Row(what, first_line(error), 'broken', mend)
    # tensor cores take fp16 from compute capability 7.0 on, bf16 from 8.0 on
    amp = 'fp16 and bf16' if device.major >= 8 else 'fp16' if device.major == 7 else 'no gain'
    memory = f'{total / GIB:.1f} GiB ({free / GIB:.1f} free)'
    return Row(what, f'{device.name}, {memory}, AMP: {amp}', 'ok')


def distributed_row(torch: ModuleType) -> Row:
    """The backend that several processes would talk over."""
    distributed = torch.distributed
    if torch.cuda.device_count() and distributed.is_available() and distributed.is_nccl_available():
        return Row('distributed', 'NCCL', 'ok')
    if not distributed.is_available() or not distributed.is_backend_available('gloo'):
        return Row('distributed', 'no backend', 'broken', 'install a torch with gloo or NCCL')
    if torch.cuda.device_count() > 1:
        mend = 'training on more than one GPU needs NCCL, which torch has on Linux'
        return Row('distributed', 'gloo', 'warning', mend)
    return Row('distributed', 'gloo', 'ok')


def disk_row(folder: Path) -> Row:
    """Room for checkpoints and logs, where they go."""
    free = shutil.disk_usage(folder).free / GIB
    state = 'ok' if free >= 10 else 'warning' if free >= 1 else 'broken'
    mend = 'free some, or make work_dirs a link to a larger disk'
    return Row('disk', f'{free:.1f} GiB free for work_dirs', state, mend if state != 'ok' else '')


def shared_memory_rows(folder: Path) -> list[Row]:
    """Room for the batches that loader workers hand over; no row where there is no such folder."""
    if not folder.is_dir():
        return []
    size = shutil.disk_usage(folder).total / GIB
    what, found = str(folder), f'{size:.2f} GiB for loader workers'
    if size >= 1:
        return [Row(what, found, 'ok')]
    mend = 'they may die of a bus error: docker run --shm-size=8g, or num_workers=0'
    return [Row(what, found, 'warning', mend)]
