"""The memory that a call needs for a while."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

STATUS, CLEAR = Path('/proc/self/status'), Path('/proc/self/clear_refs')


def peak_memory(call: Callable[[], object], device: str) -> int | None:
    """Calls once and tells by how much the memory in use grew meanwhile, at its peak.

    On a GPU that is what PyTorch's tensors take; memory that it keeps for later ones is left out.
    On a CPU it is the growth of the resident set, so memory that the process has at hand from
    earlier calls does not show: ask in a fresh process. Where the system does not let the peak be
    set back, an earlier one may count.

    Args:
        call: What to call.
        device: 'cpu' or 'cuda'.

    Returns:
        Bytes; None on a CPU where the system does not say.
    """
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if not STATUS.is_file():  # not Linux
        call()
        return None
    _hand_back()
    with suppress(OSError):  # some containers forbid it
        CLEAR.write_text('5')  # sets the peak to what is in use, see proc(5)
    before = _resident('VmRSS')
    call()
    return _resident('VmHWM') - before


def _hand_back() -> None:
    """Hands freed memory back to the system, which glibc keeps tens of MB of."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # other C libraries have none
    if trim:
        trim(0)


def _resident(key: str) -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f'{key}:'))
    return int(line.split()[1]) * 1024
