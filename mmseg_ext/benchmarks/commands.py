"""Whole commands, timed."""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError


@dataclass(frozen=True)
class Timing:
    """What a command took.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds that cores worked for it, in user and system mode, its child processes
            included.
        idle: Seconds that cores of the machine had nothing to do, summed over all of them; None
            where the system does not say. On a machine that others use too, this tells a command
            that leaves cores idle from one that has to share them.
    """

    wall: float
    cpu: float
    idle: float | None = None

    def cpu_share(self, cores: int) -> float:
        """The share of what so many cores could have worked in that time: 1 when all were busy."""
        return self.cpu / (self.wall * cores)

    @property
    def idle_share(self) -> float | None:
        """The share of the time that the machine's cores had nothing to do."""
        return None if self.idle is None else self.idle / (self.wall * (os.cpu_count() or 1))


def time_command(command: Sequence[str | int | Path]) -> Timing:
    """Runs a command to its end; raises ``UsageError`` with the end of its output if it fails."""
    words = [str(word) for word in command]
    # a file: a pipe would have to be emptied meanwhile
    with tempfile.TemporaryFile('w+') as output:
        before, idle, started = _cpu_of_children(), _idle_time(), time.perf_counter()
        done = subprocess.run(words, stdout=output, stderr=subprocess.STDOUT, check=False)
        wall = time.perf_counter() - started
        if done.returncode:
            output.seek(0)
            raise UsageError(f'{" ".join(words)} failed: {output.read()[-2000:]}')
    return Timing(wall, _cpu_of_children() - before, None if idle is None else _idle_time() - idle)


def time_alternately(
    commands: dict[str, Sequence[str | int | Path]], repeats: int, clear: Callable[[str], None]
) -> dict[str, list[Timing]]:
    """Times commands in turn, so that whatever else the machine does meets them alike.

    Args:
        commands: By name.
        repeats: Rounds.
        clear: Called with the name before each run, to remove what an earlier one wrote.

    Returns:
        By name, the timing of each round.
    """
    timings = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            clear(name)
            timings[name].append(time_command(command))
    return timings


def fastest(timings: Sequence[Timing]) -> Timing:
    """The timing of the least wall time: what disturbed the others is not the command's."""
    return min(timings, key=lambda timing: timing.wall)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _idle_time() -> float | None:
    """Seconds since the start of the machine that its cores were idle or waited for a disk."""
    file = Path('/proc/stat')
    if not file.is_file():  # not Linux
        return None
    ticks = file.read_text().split(maxsplit=6)
    return (int(ticks[4]) + int(ticks[5])) / os.sysconf('SC_CLK_TCK')
