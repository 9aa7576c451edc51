"""The command that started a run, as its user would type it again."""

import os
import shlex
import sys
from pathlib import Path

# Set by the launcher of several processes for them: the command, and a file that says "saved".
COMMAND = 'MMSEG_EXT_COMMAND'
STOPPED = 'MMSEG_EXT_STOPPED'


def command() -> str:
    """The command line of this run, to be given in the current folder."""
    given = os.environ.get(COMMAND)
    return given or shlex.join(['python', *(_shorten(word) for word in sys.argv)])


def resume_command() -> str:
    """The command line that goes on with this run."""
    words = shlex.split(command())
    if '--resume' in words:
        place = words.index('--resume')
        # a FILE that this run itself went on from would undo what it has done since
        named = place + 1 < len(words) and not words[place + 1].startswith('-')
        del words[place : place + 1 + named]
    return shlex.join([*words, '--resume'])


def _shorten(word: str) -> str:
    """A path below the current folder without that folder; any other word as it is."""
    path = Path(word)
    below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if below else word
