"""What a benchmark prints and writes."""

from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table

from mmseg_ext.prepare.jobs import count_cores
from mmseg_ext.records.provenance import processor_name, versions

from .commands import Timing, fastest


def describe_machine(*packages: str) -> dict:
    """The processor, its cores, and versions: the stack's and those of further packages."""
    found = {name: number for name, number in versions().items() if number}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return dict(cpu=processor_name(), cores=count_cores(), versions=found)


def describe_timings(timings: dict[str, list[Timing]], cores: int) -> dict[str, dict]:
    """The fastest round of each command by name, and the seconds of all its rounds."""
    described = {}
    for name, rounds in timings.items():
        best = fastest(rounds)
        described[name] = dict(
            wall_seconds=best.wall,
            cpu_seconds=best.cpu,
            cpu_share=best.cpu_share(cores),
            idle_share=best.idle_share,
            wall_seconds_of_all=[each.wall for each in rounds],
        )
    return described


def print_timings(title: str, described: dict[str, dict], baseline: str) -> None:
    """Prints a table of ``describe_timings``.

    Its columns: seconds, CPU seconds, their share of what the cores could have worked, the share of
    the machine's time that its cores were idle, and the speed over that of the baseline.
    """
    table = Table('', 'seconds', 'CPU seconds', 'its share', 'idle', 'speed', title=title)
    for column in table.columns[1:]:
        column.justify = 'right'
    for name, row in described.items():
        table.add_row(
            name,
            f'{row["wall_seconds"]:.2f}',
            f'{row["cpu_seconds"]:.2f}',
            f'{row["cpu_share"]:.0%}',
            '' if row['idle_share'] is None else f'{row["idle_share"]:.0%}',
            f'{described[baseline]["wall_seconds"] / row["wall_seconds"]:.2f}x',
        )
    Console().print(table)
