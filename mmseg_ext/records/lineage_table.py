"""The family tree as a table in a Markdown file."""

import os
import re
from itertools import groupby
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

from .files import replacing
from .leaf_docstring import Declaration
from .lineage_tree import Row, best_run, family_of, short_name, short_path, short_text

BEGIN, END = '<!-- lineage: begin -->', '<!-- lineage: end -->'
_LINK = re.compile(r'^\| \[[^]]*\]\(([^)]+)\)', re.MULTILINE)  # of a row's version
MAX_CHANGES = 3  # more make a row taller than its neighbours can bear


def make_table(rows: list[Row], folder: Path, work_dirs: Path | None = None) -> str:
    """Writes the table of versions, one part for each network and data set.

    Args:
        rows: From ``grow``.
        folder: That of the Markdown file, from which the links lead.
        work_dirs: If given, the best result of each leaf's run there.
    """
    columns = ['version', 'parent', 'what changed', 'result', 'status']
    columns += ['best run'] if work_dirs else []
    lines = [_line(columns), _line(['---'] * len(columns))]
    order = list(dict.fromkeys(family_of(row.leaf) for row in rows))
    by_family = sorted(rows, key=lambda row: order.index(family_of(row.leaf)))
    for family, members in groupby(by_family, key=lambda row: family_of(row.leaf)):
        lines.append(_line([f'**{family}**', *[''] * (len(columns) - 1)]))
        for row in members:
            cells = _cells(row, folder)
            lines.append(_line([*cells, best_run(row.leaf, work_dirs)] if work_dirs else cells))
    return '\n'.join(lines) + '\n'


def read_table(readme: Path) -> str:
    """Reads what stands between the markers of a Markdown file.

    Raises:
        UsageError: There is no such file, it is not UTF-8, or the markers are not there once each,
            in order.
    """
    return _split(readme)[1].replace('\r\n', '\n')


def update_table(readme: Path, rows: list[Row]) -> None:
    """Writes the table of versions between the markers of a Markdown file.

    Args:
        readme: The file; its line ends stay what they are.
        rows: From ``grow``; all leaves that the table there has, and maybe more.

    Raises:
        UsageError: As ``read_table``; or a leaf of the table there would be lost, though its config
            still is where the table says.
    """
    before, old, after = _split(readme)
    shown = {row.leaf.file.resolve() for row in rows}
    linked = [readme.parent / link for link in _LINK.findall(old)]
    lost = [file for file in linked if file.is_file() and file.resolve() not in shown]
    if lost:
        first = os.path.relpath(lost[0])
        raise UsageError(
            f'{readme} would lose {len(lost)} leaves, {first} the first; name the folders of all '
            'that its table links to'
        )
    table = make_table(rows, readme.parent)
    if before.endswith('\r\n'):
        table = table.replace('\n', '\r\n')
    with replacing(readme) as part:
        part.write_text(f'{before}{table}{after}', encoding='utf-8', newline='')


def has_markers(readme: Path) -> bool:
    """Whether a file is there and wants a table."""
    return readme.is_file() and BEGIN.encode() in readme.read_bytes().splitlines()


def _split(readme: Path) -> tuple[str, str, str]:
    if not readme.is_file():
        raise UsageError(f'there is no file {readme}')
    try:
        # bytes, because text would lose what the line ends are
        lines = readme.read_bytes().decode().splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise UsageError(f'{readme} is not UTF-8 ({error}); save it as UTF-8') from error
    plain = [line.rstrip() for line in lines]
    if plain.count(BEGIN) != 1 or plain.count(END) != 1 or plain.index(BEGIN) > plain.index(END):
        raise UsageError(
            f'{readme} has not the lines {BEGIN} and {END}, once each, in this order; '
            'put them where the table belongs'
        )
    begin, end = plain.index(BEGIN) + 1, plain.index(END)
    return ''.join(lines[:begin]), ''.join(lines[begin:end]), ''.join(lines[end:])


def _cells(row: Row, folder: Path) -> list[str]:
    leaf = row.leaf
    link = Path(os.path.relpath(leaf.file.resolve(), folder.resolve())).as_posix()
    parent = short_name(leaf.parent, leaf.file) or leaf.parent.stem if leaf.parent else ''
    changes = [_say(change) for change in leaf.changes[:MAX_CHANGES]]
    if len(leaf.changes) > MAX_CHANGES:
        changes.append(f'and {len(leaf.changes) - MAX_CHANGES} more')
    return [f'[{row.name}]({link})', parent, '; '.join(changes), leaf.headline, leaf.status]


def _say(change: Declaration) -> str:
    text = short_text(change).replace('<', '&lt;').replace('*', r'\*')
    return f'`{short_path(change)}` {text}'


def _line(cells: list[str]) -> str:
    return '| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |'
