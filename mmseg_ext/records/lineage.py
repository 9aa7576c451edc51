"""Whether what the leaves say of their parents is so."""

import functools
import re
from collections import defaultdict
from pathlib import Path

from mmseg_ext.engine.changes import Difference, compare, describe, describe_change
from mmseg_ext.engine.config import apply_data_root, load_config
from mmseg_ext.engine.errors import UsageError

from .leaf_docstring import Declaration, Leaf, read_leaf

# What follows from another section: the same difference in both is declared once.
MIRRORS = {
    'test_dataloader': 'val_dataloader',
    'test_evaluator': 'val_evaluator',
    'test_pipeline': 'val_dataloader.dataset.pipeline',
    'data_preprocessor': 'model.data_preprocessor',
}
HINT = '(write it so; a reason goes after a semicolon)'
_INDEX = re.compile(r'\[(\d+)\]')
_CAME_OR_WENT = re.compile(r'[+-] \w+(?:\.\w+)*')


def check_leaf(leaf: Leaf) -> list[str]:
    """Finds what a leaf's docstring says that is not so, and what it does not say.

    Args:
        leaf: From ``read_leaf``.

    Returns:
        One line a problem, with file and line; nothing where the docstring is true.

    Raises:
        UsageError: The leaf's config does not load.
    """
    problems = [f'{leaf.file}:{line}: {text}' for line, text in _check_reconstructed(leaf)]
    if leaf.parent is None:
        return problems + [
            f'{leaf.file}:{change.line}: declared, but there is no parent: {change}'
            for change in leaf.changes
        ]
    broken = check_ancestors(leaf)
    if broken:
        return [*problems, broken]
    found = differences(leaf)
    if not found:
        problems.append(f'{leaf.file}: does not differ from its parent {leaf.parent}')
    for change in leaf.changes:
        problems += [f'{leaf.file}:{change.line}: {text}' for text in _check_change(change, found)]
    missing = undeclared(found, leaf.changes)
    if missing:
        problems.append('\n    '.join([f'{leaf.file}: not declared; add to Change', *missing]))
    return problems


def check_ancestors(leaf: Leaf) -> str | None:
    """Says why the way from a leaf to its first ancestor is broken; None if it is whole."""
    seen, child = [leaf.file.resolve()], leaf
    while child.parent is not None:
        file = child.file.parent / child.parent
        said = f'{child.file}: its parent {child.parent}'
        if file.resolve() in seen:
            return f'{said} descends from it'
        if not file.is_file():
            return f'{said} does not exist; Parent is a file name relative to the leaf, or none'
        try:
            child = read_leaf(file)
        except UsageError as error:
            return f'{said} cannot be read: {error}'
        seen.append(file.resolve())
    return None


def differences(leaf: Leaf) -> list[Difference]:
    """What differs between a leaf and its parent, resolved: all that a run or a tool reads."""
    return compare(resolve(leaf.file.parent / leaf.parent), resolve(leaf.file), everything=True)


def resolve(file: Path) -> dict:
    """A config with all it inherits; each is loaded once a process."""
    return _load(file.resolve())


def undeclared(found: list[Difference], changes: tuple[Declaration, ...]) -> list[str]:
    """The lines that ``Change`` lacks, as they have to be.

    The same difference in several elements of a list is one line, with ``[*]``.

    Args:
        found: Differences from the parent.
        changes: Those that are declared.
    """
    all_found = {_key(difference) for difference in found}
    groups = defaultdict(list)
    for difference in found:
        if any(covers(change.path, difference.path) for change in changes):
            continue
        if _original(difference) in all_found:
            continue
        text = describe_change(difference.old, difference.new, width=None)
        groups[_INDEX.sub('[*]', difference.path), text].append(difference.path)
    return [f'{_common_path(paths)}: {text}' for (_, text), paths in groups.items()]


def covers(declared: str, path: str, exactly: bool = False) -> bool:
    """Whether a declared path is a setting's path, or that of a part it lies in.

    Args:
        declared: May have ``[*]`` for any index.
        path: Path of a difference.
        exactly: The path itself only.
    """
    pattern = re.escape(declared).replace(re.escape('[*]'), r'\[\d+\]')
    return re.fullmatch(pattern if exactly else rf'{pattern}([.\[].*)?', path) is not None


def _check_change(change: Declaration, found: list[Difference]) -> list[str]:
    covered = [each for each in found if covers(change.path, each.path)]
    if not covered:
        return [f'declared, but there nothing differs from the parent: {change}']
    problems = []
    for path, old, new in covered:
        if not covers(change.path, path, exactly=True):
            continue
        text = describe_change(old, new, width=None)
        if _is_plain(old) and _is_plain(new):
            true = _says(change.text, text, describe_change(old, new))
        elif change.text[0] in '+-':  # of a list, what came and went is no free text
            words = change.text.partition(';')[0]
            true = set(_CAME_OR_WENT.findall(words)) == set(_CAME_OR_WENT.findall(text))
        else:
            continue
        if not true:
            problems.append(_contradict('declared', change, text))
    return list(dict.fromkeys(problems))


def _check_reconstructed(leaf: Leaf) -> list[tuple[int, str]]:
    problems = []
    for declaration in leaf.reconstructed:
        values = _look_up(resolve(leaf.file), declaration.path)
        for value in values:
            text = describe(value, width=None)
            if not _says(declaration.text, text, describe(value)):
                problems.append((declaration.line, _contradict('reconstructed', declaration, text)))
        if not values:
            problems.append((declaration.line, f'the config has no {declaration.path}'))
    return list(dict.fromkeys(problems))


def _says(text: str, whole: str, short: str) -> bool:
    """Whether a declaration is a value, written out or cut, and maybe a reason."""
    return text in (whole, short) or text.startswith((f'{whole};', f'{short};'))


def _contradict(key: str, said: Declaration, true: str) -> str:
    return f'{key} is\n    {said}\nbut it is\n    {said.path}: {true}\n{HINT}'


def _look_up(node, path: str) -> list:
    """The values below a node that a path may mean, for a key may have dots in it."""
    if not path:
        return [node]
    if isinstance(node, (list, tuple)):
        found = re.match(r'\[(\d+|\*)\]\.?', path)
        if not found:
            return []
        chosen = node if found[1] == '*' else node[int(found[1]) : int(found[1]) + 1]
        return [value for child in chosen for value in _look_up(child, path[found.end() :])]
    if not isinstance(node, dict):
        return []
    values = []
    for key, child in node.items():
        if path == key or path.startswith((f'{key}.', f'{key}[')):
            rest = path[len(str(key)) :]
            values += _look_up(child, rest.removeprefix('.'))
    return values


def _original(difference: Difference) -> tuple:
    """The difference that this one would follow from."""
    for mirror, section in MIRRORS.items():
        if covers(mirror, difference.path):
            path = section + difference.path[len(mirror) :]
            return _key(difference._replace(path=path))
    return ()


def _key(difference: Difference) -> tuple:
    # repr, because values are not hashable
    return difference.path, repr(difference.old), repr(difference.new)


def _common_path(paths: list[str]) -> str:
    """One path for several that differ in indices alone."""
    columns = list(zip(*map(_INDEX.findall, paths), strict=True))
    indices = iter(column[0] if len(set(column)) == 1 else '*' for column in columns)
    return _INDEX.sub(lambda _: f'[{next(indices)}]', paths[0])


def _is_plain(value) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return not isinstance(value, dict)


@functools.cache
def _load(file: Path) -> dict:
    cfg = load_config(str(file))
    apply_data_root(cfg)  # as a run does
    return cfg.to_dict()
