"""Conversion of many files on all cores, that a kill leaves whole and a rerun finishes."""

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import cv2
from rich.progress import track

from mmseg_ext.engine.errors import UsageError

Job = TypeVar('Job')
Result = TypeVar('Result')

CHUNK = 16  # jobs that a process takes at a time


def count_cores() -> int:
    """Cores that this process may use: under Slurm and in containers fewer than there are."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    num_processes: int,
    description: str,
) -> list[Result]:
    """Calls a function on each job, in several processes, under a progress bar.

    The first error ends it: jobs under way are finished, so that no half-written file is left, the
    others are not begun.

    Args:
        function: Of a module's top level, so that other processes find it.
        jobs: Its arguments.
        num_processes: With 1, this process does it all.
        description: What the progress bar says.

    Returns:
        What the function returned, in the order of the jobs.

    Raises:
        UsageError: One of the processes was killed.
    """
    if not jobs:
        return []
    num_processes = min(num_processes, len(jobs))
    if num_processes == 1:
        # an error leaves the bar's thread behind, which may then wait for itself for ever
        with closing(track(jobs, description)) as shown:
            return [function(job) for job in shown]
    executor = ProcessPoolExecutor(num_processes, initializer=_init_worker)
    try:
        chunk = max(1, min(CHUNK, len(jobs) // (4 * num_processes)))
        results = executor.map(function, jobs, chunksize=chunk)
        return list(track(results, description, len(jobs)))
    except BrokenProcessPool as error:
        raise UsageError(
            f'{description}: one of {num_processes} processes was killed, for want of memory if '
            'nobody did it; run it again with fewer, --nproc 1. What is written is whole'
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def is_written(path: Path) -> bool:
    """Whether a file is there, and not one that a power cut left empty."""
    return path.is_file() and path.stat().st_size > 0


def clear_remains(folder: Path) -> None:
    """Removes what killed processes left of ``records.files.replacing``; not what is under way."""
    for path in folder.glob('.*'):
        writer = re.match(r'\.(\d+)\..', path.name)
        if writer and not _is_alive(int(writer.group(1))):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    try:
        state = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:  # not Linux, or it has ended meanwhile
        return True
    # a killed one whose parent does not collect it, as in a container without an init
    return state != 'Z'


def _init_worker() -> None:
    # Ctrl-C reaches every process of the terminal; the first one ends the others in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)  # the other cores have processes of their own
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the first one is killed; it would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)
