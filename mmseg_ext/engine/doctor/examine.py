"""The whole examination."""

from pathlib import Path

from .data import DATA_SETS, data_row
from .machine import disk_row, distributed_row, gpu_rows, shared_memory_rows
from .row import Row
from .stack import (
    checkout_rows,
    import_rows,
    installed_versions,
    line_rows,
    ops_row,
    python_row,
    read_pins,
    simplejpeg_row,
    torchvision_row,
    try_import,
)


def examine(root: Path) -> list[Row]:
    """Examines the install, the machine and the data.

    Args:
        root: The checkout whose ``constraints.txt`` and ``data`` count.
    """
    versions = installed_versions()
    pins = read_pins(root, versions)
    rows = [python_row(), *line_rows(versions, pins), *import_rows(versions, pins)]
    rows += [*checkout_rows(root), ops_row(pins)]
    torch, _ = try_import('torch')
    if torch:
        rows += [torchvision_row(), *gpu_rows(torch), distributed_row(torch)]
    rows.append(simplejpeg_row())
    work_dirs = Path('work_dirs')
    rows.append(disk_row(work_dirs if work_dirs.exists() else Path('.')))
    rows += shared_memory_rows(Path('/dev/shm'))
    return rows + [data_row(root, data_set) for data_set in DATA_SETS]
