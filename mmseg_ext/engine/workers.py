"""Data loading workers that outlive a signal to the whole job, until the last step is saved."""

import functools
import os
import signal
import threading
from collections.abc import Callable

from torch.utils.data import DataLoader

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP) if hasattr(signal, 'SIGHUP') else (signal.SIGTERM,)
# What torchrun and Slurm give a job between SIGTERM and SIGKILL.
GRACE = 30


def shield_workers(loader: DataLoader) -> None:
    """Lets the workers of a loader work on for ``GRACE`` seconds after SIGTERM or SIGHUP.

    Slurm, torchrun and a lost terminal send these to every process of a job. A worker that died of
    it would take the step with it that its process wants to finish and save. A SIGTERM from its
    own process still ends a worker at once.
    """
    loader.worker_init_fn = functools.partial(_init_worker, wrapped=loader.worker_init_fn)


def _init_worker(worker_id: int, wrapped: Callable[[int], None] | None) -> None:
    if wrapped:
        wrapped(worker_id)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        threading.Thread(target=_wait_for_signals, args=(os.getppid(),), daemon=True).start()


def _wait_for_signals(parent: int) -> None:
    while True:
        if signal.sigwaitinfo(STOP_SIGNALS).si_pid == parent:
            os._exit(0)
        signal.alarm(GRACE)
