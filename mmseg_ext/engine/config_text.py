"""Reading the config inside a checkpoint without running it."""

import ast
from collections.abc import Iterator

from .errors import UsageError

# values that Config.pretty_text writes as bare names
NUMBERS = dict(inf=float('inf'), nan=float('nan'))


def parse_config_text(text: str) -> dict:
    """Reads what ``Config.pretty_text`` wrote, as data.

    The text is Python source, which ``Config.fromstring`` would execute; a checkpoint is no trusted
    program. Accepted are assignments of constants, lists, tuples, sets, dicts, ``dict(...)`` calls
    and negative numbers. A class stands there by its dotted name, and becomes that string.

    Args:
        text: ``checkpoint['meta']['cfg']``.

    Raises:
        UsageError: The text is no Python source, or holds anything else, which is named.
    """
    try:
        return {name: _value(value) for name, value in _assignments(ast.parse(text))}
    # TypeError: a list where Python wants something hashable
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"the checkpoint's config cannot be read: {error}") from error


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in tree.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            raise _refused(statement)
        yield statement.targets[0].id, statement.value


def _value(node: ast.expr):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            _value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)
        }
    if isinstance(node, ast.Call):
        return _dict_call(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand)
        if isinstance(number, (int, float)):
            return -number
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _name(node)
    raise _refused(node)


def _dict_call(node: ast.Call) -> dict:
    """``dict(key=value)``; around keys that are no identifiers, ``dict({'a.b': value})``."""
    plain = isinstance(node.func, ast.Name) and node.func.id == 'dict' and len(node.args) <= 1
    if not plain or any(keyword.arg is None for keyword in node.keywords):
        raise _refused(node)
    mapping = _value(node.args[0]) if node.args else {}
    if not isinstance(mapping, dict):
        raise _refused(node)
    return {**mapping, **{keyword.arg: _value(keyword.value) for keyword in node.keywords}}


def _name(node: ast.expr) -> float | str:
    if isinstance(node, ast.Name):
        return NUMBERS.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
        return f'{_name(node.value)}.{node.attr}'
    raise _refused(node)


def _refused(node: ast.AST) -> UsageError:
    found = ' '.join(ast.unparse(node).split())[:80]
    return UsageError(f"the checkpoint's config holds {found}, which is no plain setting")
