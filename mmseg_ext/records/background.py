"""Files that are written while the main thread goes on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mmseg_ext.engine.distributed import cpu_cores, local_process_count

MAX_THREADS = 4


class Background:
    """Threads for drawing and encoding, which NumPy and OpenCV do without the interpreter's lock.

    Few tasks wait at a time, so that memory is bounded. After the first error nothing more is done;
    ``finish`` raises it, when the test has reported its values.

    Args:
        threads: How many; default what this process's share of the cores gives, at most 4.
    """

    def __init__(self, threads: int | None = None) -> None:
        share = cpu_cores() // local_process_count()
        threads = threads or max(1, min(MAX_THREADS, share))
        self.pool = ThreadPoolExecutor(threads)
        self.max_waiting = 2 * threads
        self.waiting: deque[Future] = deque()
        self.error: BaseException | None = None
        self.done = 0

    def submit(self, task: Callable[..., None], *args) -> None:
        """Runs a task in a thread; waits for the oldest one while too many wait."""
        while len(self.waiting) >= self.max_waiting:
            self._take()
        if self.error is None:
            self.waiting.append(self.pool.submit(task, *args))

    def finish(self) -> int:
        """Waits for all tasks; returns how many were done.

        Raises:
            Exception: What the first task that failed raised.
        """
        while self.waiting:
            self._take()
        self.pool.shutdown()
        if self.error is not None:
            raise self.error
        return self.done

    def _take(self) -> None:
        error = self.waiting[0].exception()
        self.waiting.popleft()
        self.error = self.error or error
        self.done += error is None
