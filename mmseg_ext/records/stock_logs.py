"""The validations of a run of stock MMSegmentation, which keeps no ``metrics.json``.

Means come from ``TIME/vis_data/scalars.json``, values per class from the tables that ``IoUMetric``
prints to ``TIME/TIME.log``.
"""

import math
import re
from pathlib import Path

from .history import find_logs, read_lines

SCALARS = 'vis_data/scalars.json'
# in validations' lines of scalars.json beside the metrics
CLOCKS = ('step', 'data_time', 'time', 'epoch', 'iter')
EPOCH_LENGTH = re.compile(r'Epoch\(train\)\s+\[\d+\]\[\s*\d+/(\d+)\]')
TABLE = 'per class results:'
VALIDATED = re.compile(r'(Epoch|Iter)\(val\).*mIoU:')


def read_stock_validations(work_dir: Path) -> list[dict]:
    """Reads validations from logs, across the starts of a run.

    Args:
        work_dir: The run's folder.

    Returns:
        One dict a validation, as ``MetricsFileHook`` writes them. ``epoch`` is None in a run by
        iterations, ``per_class`` empty where the log has no table. Without a log, ``iter`` is the
        last step that was logged before.
    """
    validations: list[dict] = []
    for file in find_logs(work_dir, SCALARS):
        lines = read_lines(file)
        trained = [line['step'] for line in lines if 'loss' in line]
        if not trained:  # a test
            continue
        folder = file.parents[1]
        log = folder / f'{folder.name}.log'
        text = log.read_text(errors='replace') if log.is_file() else ''
        validations = [entry for entry in validations if entry['iter'] < trained[0]]
        validations += _read_start(lines, text)
    return validations


def read_tables(log: str) -> list[dict]:
    """Parses the tables per class of a log that belong to finished validations.

    Args:
        log: Text of the log.

    Returns:
        One dict a validation: ``{'IoU': {class: share}, ...}``, nan as printed.
    """
    tables, table, header = [], {}, []
    for line in log.splitlines():
        if line.endswith(TABLE):
            table, header = {}, []
        elif line.startswith('|'):
            cells = [cell.strip() for cell in line.strip('|').split('|')]
            if header:
                for name, cell in zip(header[1:], cells[1:], strict=False):
                    table.setdefault(name, {})[cells[0]] = _share(cell)
            else:
                header = cells
        elif VALIDATED.search(line):
            tables.append(table)
            table, header = {}, []
    return tables


def _read_start(lines: list[dict], log: str) -> list[dict]:
    found, last = [], 0
    for line in lines:
        if 'loss' in line:
            last = line['step']
        elif 'mIoU' in line:
            found.append((line, last))
    # a validation's step is its epoch or its iteration, as the logger was told; a run by iterations
    # stays in epoch 0
    by_epoch = all(line['step'] for line, _ in found) and any(
        line['step'] < last for line, last in found
    )
    length = EPOCH_LENGTH.search(log)
    entries = []
    for line, last in found:
        step = line['step']
        iteration = step * int(length[1]) if by_epoch and length else max(step, last)
        metrics = {name: value for name, value in line.items() if name not in CLOCKS}
        epoch = step if by_epoch else None
        entries.append(dict(epoch=epoch, iter=iteration, metrics=metrics, per_class={}))
    tables = read_tables(log)
    for entry, table in zip(entries, tables, strict=False):
        entry['per_class'] = table
    return entries


def _share(cell: str) -> float:
    try:
        return float(cell) / 100
    except ValueError:
        return math.nan
