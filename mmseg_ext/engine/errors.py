"""The error that a user can mend."""

import errno
import os
import sys
import warnings
from collections.abc import Callable

# What the system refuses and the user can mend: rights, a file in a folder's place, a full disk.
_REFUSALS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
    errno.ENOSPC, errno.EDQUOT,
)  # fmt: skip


class UsageError(RuntimeError):
    """Something the user can mend. The message is one line: the thing, its value, the way out.

    Attributes:
        shared: Whether another process of the job raised it first, and says it.
    """

    shared = False

    def __init__(self, message: str = '') -> None:
        # a loader's worker hands over the text of its traceback, which ends in the message
        own = f'{__name__}.UsageError: '
        super().__init__(message.rpartition(own)[2].rstrip() if own in message else message)


def found_by_all(message: str) -> UsageError:
    """The error of a check that every process fails alike; the first of each machine says it."""
    error = UsageError(message)
    error.shared = True
    return error


def one_line(error: Exception) -> str:
    """The message of an error, or its type where it has none, without line breaks."""
    return ' '.join(str(error).split()) or type(error).__name__


def run_command(main: Callable[[], None]) -> None:
    """Runs the body of a command line; a ``UsageError`` becomes one line and exit status 2.

    So does what the system refuses, a folder that is closed to us for one; Ctrl-C becomes a word
    and status 130, as shells have it.

    What every process of a job runs into, the first of each machine says; what one alone meets, a
    label of its batch for one, that one says.
    """
    silence_known_warnings()
    try:
        main()
    except UsageError as error:
        if is_local_main() or (_is_distributed() and not error.shared):
            print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _REFUSALS or not error.filename:
            raise
        print(f'error: {error.filename}: {error.strerror}', file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)


def silence_known_warnings() -> None:
    """Hides what mmcv without compiled ops advises: a reinstall that would break the install."""
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')


def is_local_main() -> bool:
    """Whether this is the process that speaks for its machine."""
    # under srun, LOCAL_RANK says nothing until the process group is joined, which sets RANK
    key = 'LOCAL_RANK' if 'RANK' in os.environ else 'SLURM_LOCALID'
    return int(os.environ.get(key, '0')) == 0


def _is_distributed() -> bool:
    from mmengine.dist import is_distributed  # brings torch, which converters do without

    return is_distributed()
