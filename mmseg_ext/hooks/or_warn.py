"""What the hooks that draw have in common."""

import functools
from collections.abc import Callable

from mmengine.hooks import Hook
from mmengine.runner import Runner


def or_warn(method: Callable) -> Callable:
    """Turns an error of a hook's method into one warning, after which the hook does nothing.

    For pictures alone: a run of days must not end because an image format cannot be drawn.
    """

    @functools.wraps(method)
    def guarded(hook: Hook, runner: Runner, *args, **kwargs) -> None:
        if getattr(hook, 'failed', False):
            return
        try:
            method(hook, runner, *args, **kwargs)
        except Exception as error:
            hook.failed = True
            name, cause = type(hook).__name__, f'{type(error).__name__}: {error}'
            runner.logger.warning(f'{name} draws no pictures in this run: {cause}')

    return guarded
