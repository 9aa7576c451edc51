"""Lists of image names, one a line, as VOC and SBD keep them."""

from collections.abc import Iterable
from pathlib import Path

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing


def read_names(file: Path) -> set[str]:
    """Reads a list; raises ``UsageError`` if there is none."""
    if not file.is_file():
        raise UsageError(f'there is no list {file}')
    return set(file.read_text().split())


def write_names(file: Path, names: Iterable[str]) -> None:
    """Writes a list, sorted; makes its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        part.write_text(''.join(f'{name}\n' for name in sorted(names)))
