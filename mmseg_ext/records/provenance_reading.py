"""Reading where a run or a checkpoint comes from, and what differs between two."""

import dataclasses
import difflib
from pathlib import Path

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.errors import UsageError

from .files import read_json
from .provenance import FILE, brief

# What tells any two runs apart, whatever they compute.
NOT_COMPARED = ('time', 'command', 'iter', 'config', 'earlier', 'loaded.resume')
# What stock MMEngine writes into a checkpoint's meta.
STOCK = ('time', 'seed', 'mmengine_version')


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run's folder or a checkpoint says of its origin.

    Attributes:
        name: Its path, as given.
        facts: What ``ProvenanceHook`` recorded of the last start; a checkpoint of stock MMEngine
            has less.
        starts: Every start in short, the first one first.
        config: Text of the resolved config.
    """

    name: str
    facts: dict
    starts: list[dict]
    config: str


def read_starts(file: Path) -> list[dict]:
    """The starts in a ``provenance.json``; none if there is no such file, or a torn one."""
    return read_json(file).get('starts', [])


def read_record(path: Path) -> Record:
    """Reads a run's folder or a checkpoint; nothing in it is executed.

    Raises:
        UsageError: It is neither, or a run's folder from before its origin was recorded.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}; name a run's folder or a checkpoint")
    if path.is_dir():
        return _read_folder(path)
    meta = _read_meta(path)
    config, facts = meta.get('cfg', ''), meta.get('provenance')
    if not facts:
        return Record(str(path), {key: meta[key] for key in STOCK if key in meta}, [], config)
    return Record(str(path), facts, [*facts['earlier'], brief(facts)], config)


def differences(one: Record, other: Record) -> list[tuple[str, object, object]]:
    """What differs in seed, processes, versions, code, data and what was loaded.

    Returns:
        Dotted name and the two values; None where one of them has no such thing. What a run was
        resumed from is left out: ``starts``, their number, says that it was.
    """
    ours, theirs = (
        {name: value for name, value in flatten(each.facts).items() if name not in NOT_COMPARED}
        for each in (one, other)
    )
    names = [*ours, *(name for name in theirs if name not in ours)]
    rows = [(name, ours.get(name), theirs.get(name)) for name in names]
    starts = [('starts', len(one.starts) or None, len(other.starts) or None)]
    return [row for row in starts + rows if row[1] != row[2]]


def config_diff(one: Record, other: Record) -> list[str]:
    """The resolved configs as a unified diff, line by line; empty if they are equal."""
    texts = [record.config.splitlines() for record in (one, other)]
    return list(difflib.unified_diff(*texts, one.name, other.name, lineterm='', n=1))


def flatten(node: dict, prefix: str = '') -> dict:
    """Dotted names and values of nested dicts; one that has a checksum stays a value."""
    flat = {}
    for key, value in node.items():
        name = f'{prefix}.{key}' if prefix else str(key)
        nested = isinstance(value, dict) and 'sha256' not in value
        flat.update(flatten(value, name) if nested else {name: value})
    return flat


def _read_folder(folder: Path) -> Record:
    starts = read_starts(folder / FILE)
    if not starts:
        raise UsageError(f'{folder} has no {FILE}; name one of its checkpoints instead')
    config = folder / starts[-1]['config']
    text = config.read_text() if config.is_file() else ''
    return Record(str(folder), starts[-1], [brief(start) for start in starts], text)


def _read_meta(path: Path) -> dict:
    meta = read_checkpoint(path).get('meta')
    return meta if isinstance(meta, dict) else {}
