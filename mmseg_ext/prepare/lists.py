"""Lists of image names, one a line, as VOC and SBD keep them."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing


def read_names(file: Path) -> set[str]:
    """Reads a list; raises ``UsageError`` if there is none, or if it names something twice."""
    names = _read_lines(file)
    twice = find_repeated(names)
    if twice:
        raise UsageError(f'{file} lists {count_names(twice)} twice; take the original list')
    return set(names)


def write_names(file: Path, names: Iterable[str]) -> None:
    """Writes a list, sorted; makes its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        part.write_text(_to_text(names), encoding='utf-8')


def names_checksum(names: Iterable[str]) -> str:
    """The SHA-256 of the file that ``write_names`` makes: ``sha256sum FILE`` prints the same.

    Of a list in another order, ``LC_ALL=C sort FILE | sha256sum`` does.
    """
    return hashlib.sha256(_to_text(names).encode()).hexdigest()


def find_list_faults(file: Path, expected: Collection[str], val: Collection[str]) -> list[str]:
    """What is wrong with a training list, a line each.

    Args:
        file: The list.
        expected: The names that it should hold, sorted.
        val: Names of validation images, which are named as such where the list holds them.
    """
    if not file.is_file():
        return [f'there is no list {file}']
    lines = _read_lines(file)
    names, expected, val = set(lines), set(expected), set(val)
    found = {
        'lists {} twice': find_repeated(lines),
        'lists {} of the validation set': names & val - expected,
        'lists {} that should not be in it': names - expected - val,
        'lacks {}': expected - names,
    }
    faults = [f'{file} {text.format(count_names(bad))}' for text, bad in found.items() if bad]
    if not faults and lines != sorted(lines):
        return [f'{file} is not sorted']
    return faults


def find_repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def count_names(names: Collection[str]) -> str:
    """Says how many names these are, and which is the first: ``3 names (2008_000015, ...)``."""
    first = min(names)
    return first if len(names) == 1 else f'{len(names):,} names ({first}, ...)'


def _read_lines(file: Path) -> list[str]:
    if not file.is_file():
        raise UsageError(f'there is no list {file}')
    try:
        lines = file.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f'{file} is no list of names: {error}; take the original list') from error
    return [line.strip() for line in lines if line.strip()]


def _to_text(names: Iterable[str]) -> str:
    return ''.join(f'{name}\n' for name in sorted(names))
