"""What the checks and records themselves cost."""

import functools
import time
from collections.abc import Callable

from mmengine.hooks import Hook


def timed(method: Callable) -> Callable:
    """Adds the time that a hook's method takes to the hook's ``seconds``, and counts its ``calls``.

    By the clock of this process: what the method leaves to a GPU is not waited for.
    """

    @functools.wraps(method)
    def clocked(hook: Hook, *args, **kwargs):
        began = time.perf_counter()
        try:
            return method(hook, *args, **kwargs)
        finally:
            hook.seconds = getattr(hook, 'seconds', 0.0) + time.perf_counter() - began
            hook.calls = getattr(hook, 'calls', 0) + 1

    return clocked
