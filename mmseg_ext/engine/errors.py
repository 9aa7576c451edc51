"""The error that a user can mend."""

import sys
from collections.abc import Callable


class UsageError(RuntimeError):
    """Something the user can mend. The message is one line: the thing, its value, the way out."""


def run_command(main: Callable[[], None]) -> None:
    """Runs the body of a command line; a ``UsageError`` becomes one line and exit status 2."""
    try:
        main()
    except UsageError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
