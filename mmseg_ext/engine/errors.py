"""The error that a user can mend."""

import os
import sys
import warnings
from collections.abc import Callable


class UsageError(RuntimeError):
    """Something the user can mend. The message is one line: the thing, its value, the way out."""


def run_command(main: Callable[[], None]) -> None:
    """Runs the body of a command line; a ``UsageError`` becomes one line and exit status 2.

    Of several processes only the first of each machine writes the line.
    """
    # mmcv without compiled ops advises a reinstall that would break the install
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    try:
        main()
    except UsageError as error:
        if is_local_main():
            print(f'error: {error}', file=sys.stderr)
        sys.exit(2)


def is_local_main() -> bool:
    """Whether this is the process that speaks for its machine."""
    return int(os.environ.get('LOCAL_RANK') or os.environ.get('SLURM_LOCALID') or 0) == 0
