"""The command that started a run, as its user would type it again."""

import os
import shlex
import sys
from pathlib import Path

# Set by the launcher of several processes for them: the command, and a file that says "saved".
COMMAND = 'MMSEG_EXT_COMMAND'
STOPPED = 'MMSEG_EXT_STOPPED'


def command() -> str:
    """The command line of this run."""
    if COMMAND in os.environ:
        return os.environ[COMMAND]
    script = Path(sys.argv[0])
    if script.is_absolute() and script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return shlex.join(['python', str(script), *sys.argv[1:]])


def resume_command() -> str:
    """The command line that goes on with this run."""
    words = shlex.split(command())
    return shlex.join(words if '--resume' in words else [*words, '--resume'])
