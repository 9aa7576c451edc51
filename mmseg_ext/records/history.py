"""A run's scalars over time, across its resumes."""

import json
from pathlib import Path


def read_scalars(work_dir: Path) -> list[dict]:
    """Reads what the logger wrote while training, in the order of the steps.

    A resumed run has one ``TIME/vis_data/scalars.json`` for every start; where a later start went
    over steps again, its values count.

    Args:
        work_dir: The run's folder.

    Returns:
        One dict a log line: ``step`` in iterations, ``loss``, ``lr`` and what else was logged.
    """
    records: list[dict] = []
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines = [_parse(line) for line in file.read_text().splitlines()]
        started = [line for line in lines if 'loss' in line]
        if started:
            records = [line for line in records if line['step'] < started[0]['step']]
            records += started
    return records


def read_validations(work_dir: Path) -> list[dict]:
    """Reads ``metrics.json``: one dict a validation, as ``MetricsFileHook`` describes it."""
    file = work_dir / 'metrics.json'
    return json.loads(file.read_text())['validations'] if file.is_file() else []


def _parse(line: str) -> dict:
    try:
        return json.loads(line)
    except json.JSONDecodeError:  # the last line of a run that was killed while it wrote
        return {}
