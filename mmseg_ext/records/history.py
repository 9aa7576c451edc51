"""A run's scalars over time, across its resumes."""

import json
from pathlib import Path

from .files import read_json


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
    for file in find_logs(work_dir, 'vis_data/scalars.json'):
        lines = read_lines(file)
        trained = [line for line in lines if 'loss' in line]
        if trained:
            records = [line for line in records if line['step'] < trained[0]['step']]
            records += trained
    return records


def find_logs(work_dir: Path, pattern: str) -> list[Path]:
    """Finds what each start of a run logged, in the order of the starts.

    Starts before the run of ``metrics.json`` began, in a folder that an earlier run used, are left
    out.

    Args:
        work_dir: The run's folder.
        pattern: Of files in the folder of a start, which is named by its time.
    """
    started = read_metrics(work_dir).get('started', '')
    files = sorted(work_dir.glob(f'*/{pattern}'))
    return [file for file in files if file.relative_to(work_dir).parts[0] >= started]


def read_validations(work_dir: Path) -> list[dict]:
    """Reads ``metrics.json``: one dict a validation, as ``MetricsFileHook`` describes it."""
    return read_metrics(work_dir).get('validations', [])


def best_of(validations: list[dict]) -> dict | None:
    """The validation with the highest mIoU; None if none has one."""
    scored = [entry for entry in validations if entry['metrics'].get('mIoU') is not None]
    return max(scored, key=lambda entry: entry['metrics']['mIoU'], default=None)


def read_metrics(work_dir: Path) -> dict:
    """Reads the whole of ``metrics.json``; empty where there is none yet, or a torn one."""
    return read_json(work_dir / 'metrics.json')


def read_lines(file: Path) -> list[dict]:
    """Reads a ``scalars.json``: one dict a line; one that a kill left torn counts for none."""
    lines = []
    for text in file.read_text(errors='replace').splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and 'step' in line:
            lines.append(line)
    return lines
