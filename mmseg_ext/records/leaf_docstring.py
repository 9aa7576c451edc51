"""What a leaf in ``configs/`` says of itself: its docstring, read."""

import ast
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmseg_ext.engine.errors import UsageError

REQUIRED = ('Parent', 'Why', 'Result', 'Status')
# one declaration a line; the others are prose
DECLARATIONS = ('Change', 'Reconstructed')
# Option: what else a leaf may be run with, as --cfg-options
KEYS = (*REQUIRED, *DECLARATIONS, 'Option')
STATUSES = ('baseline', 'recommended', 'ablation', 'negative result')

_KEY = re.compile(r'([A-Z]\w*):(?:\s+|$)')
_DECLARATION = re.compile(r'([^\s:]+):\s+(\S.*)')


class Declaration(NamedTuple):
    """A line of ``Change`` or ``Reconstructed``.

    Attributes:
        path: Dotted path of a setting; ``[*]`` stands for any index.
        text: What is said of it, in one line.
        line: Where, counted from 1.
    """

    path: str
    text: str
    line: int

    def __str__(self) -> str:
        return f'{self.path}: {self.text}'


@dataclass(frozen=True)
class Leaf:
    """A config and what its docstring says.

    Attributes:
        file: The config.
        title: First line of the docstring.
        parent: The config it was made from; None where there is none.
        changes: Declared differences from the parent.
        why: The reason.
        reconstructed: Values that were chosen because the original ones are not known.
        result: What came out.
        status: One of ``STATUSES``.
    """

    file: Path
    title: str
    parent: Path | None
    changes: tuple[Declaration, ...]
    why: str
    reconstructed: tuple[Declaration, ...]
    result: str
    status: str

    @property
    def headline(self) -> str:
        """The first clause of the result, a score or ``not run yet``."""
        return self.result.partition(',')[0]


def read_leaf(file: Path) -> Leaf:
    """Reads a leaf's docstring; the config is not run.

    Args:
        file: A config.

    Raises:
        UsageError: The docstring is not there or not in the grammar; the message has the line.
    """
    if file.is_dir():
        raise UsageError(f'{file} is a folder that is named like a config; rename it')
    if not file.is_file():
        raise UsageError(f'there is no config {file}')
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError) as error:  # a zero byte is a ValueError
        line = getattr(error, 'lineno', None) or 1
        raise UsageError(f'{file}:{line}: no Python: {getattr(error, "msg", error)}') from error
    docstring = body[0].value if body and isinstance(body[0], ast.Expr) else None
    if not isinstance(docstring, ast.Constant) or not isinstance(docstring.value, str):
        raise UsageError(f'{file}:1: not a leaf: it has no docstring that says {", ".join(KEYS)}')
    lines = docstring.value.splitlines()
    sections = _read_sections(file, docstring.lineno, lines)
    for key in REQUIRED:
        if key not in sections:
            raise UsageError(
                f'{file}:{docstring.lineno}: not a leaf: its docstring has no `{key}:`'
            )
    prose = {key: _join(lines) for key, lines in sections.items() if key not in DECLARATIONS}
    declarations = {key: _read_declarations(file, sections.get(key, [])) for key in DECLARATIONS}
    for key, text in prose.items():
        if not text:
            raise UsageError(f'{file}:{sections[key][0][0]}: `{key}:` says nothing')
    parent, status_line = prose['Parent'], sections['Status'][0][0]
    status = next((name for name in STATUSES if re.match(rf'{name}\b', prose['Status'])), None)
    if status is None:
        known = ', '.join(STATUSES[:-1]) + f' or {STATUSES[-1]}'
        raise UsageError(f'{file}:{status_line}: Status is {prose["Status"]!r}; it begins {known}')
    return Leaf(
        file=file,
        title=lines[0].strip(),
        parent=None if parent == 'none' else Path(parent),
        changes=declarations['Change'],
        why=prose['Why'],
        reconstructed=declarations['Reconstructed'],
        result=prose['Result'],
        status=status,
    )


_Lines = list[tuple[int, int, str]]  # line number, column of its text, text


def _read_sections(file: Path, first: int, lines: list[str]) -> dict[str, _Lines]:
    """The lines of each key; what stands before the first key is free."""
    sections: dict[str, _Lines] = {}
    section: _Lines | None = None
    for number, line in enumerate(lines[1:], first + 1):
        found = _KEY.match(line)
        if found:
            key, column = found[1], found.end()
            if key not in KEYS:
                nearest = difflib.get_close_matches(key, KEYS, n=1)
                hint = f'did you mean {nearest[0]}?' if nearest else f'there are {", ".join(KEYS)}'
                raise UsageError(f'{file}:{number}: `{key}:` is no key of a leaf; {hint}')
            if key in sections:
                raise UsageError(f'{file}:{number}: a second `{key}:`; there is one of each')
            section = sections[key] = [(number, column, line[column:].rstrip())]
        elif line.strip() and section is not None:
            column = len(line) - len(line.lstrip())
            if not column:
                raise UsageError(f'{file}:{number}: neither a key nor indented: {line.strip()!r}')
            section.append((number, column, line.strip()))
    return sections


def _read_declarations(file: Path, lines: _Lines) -> tuple[Declaration, ...]:
    """One a line; a line that is indented further than the first continues it."""
    lines = [line for line in lines if line[2]]
    groups: list[_Lines] = []
    for line in lines:
        number, column, text = line
        if column < lines[0][1]:
            raise UsageError(
                f'{file}:{number}: {text!r} is indented by {column}, its first line by '
                f'{lines[0][1]}; align a declaration with the first, indent further to continue'
            )
        if column == lines[0][1]:
            groups.append([line])
        else:
            groups[-1].append(line)
    declarations = []
    for group in groups:
        text, number = _join(group), group[0][0]
        found = _DECLARATION.fullmatch(text)
        if not found:
            raise UsageError(
                f'{file}:{number}: {text!r} is no `PATH: TEXT`, as in `train_cfg.max_epochs: '
                '200 -> 50`; indent it further if it continues the line above'
            )
        declarations.append(Declaration(found[1], found[2], number))
    return tuple(declarations)


def _join(lines: _Lines) -> str:
    return ' '.join(' '.join(text for _, _, text in lines).split())
