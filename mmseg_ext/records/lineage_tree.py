"""The family tree of the leaves, row by row, in few words."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmseg_ext.engine.config import find_configs
from mmseg_ext.engine.errors import UsageError

from .history import best_of, read_validations
from .leaf_docstring import STATUSES, Declaration, Leaf, read_leaf
from .lineage import check_ancestors

# of the statuses: matplotlib's first four, which rich does not know by name
COLOURS = dict(zip(STATUSES, ('#1f77b4', '#2ca02c', '#ff7f0e', '#d62728'), strict=True))
_VERSION = re.compile(r'v\d')
_SCORE = re.compile(r'(\d+(?:\.\d+)?) mIoU')


class Row(NamedTuple):
    """A leaf in its place in the tree.

    Attributes:
        leaf: The leaf.
        depth: Generations below the first ancestor.
        parent: Its parent; None where it has none, or none among the leaves that are shown.
    """

    leaf: Leaf
    depth: int
    parent: Leaf | None

    @property
    def name(self) -> str:
        """What the leaf's name has beyond its parent's; the whole where there is no parent."""
        if self.parent is None:
            return self.leaf.file.stem
        return short_name(self.leaf.file, self.parent.file)


def list_leaves(paths: Iterable[Path]) -> list[Path]:
    """Lists the configs that are named, and those of folders, each once.

    Args:
        paths: Configs, or folders of them.

    Raises:
        UsageError: A folder has none.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        found = find_configs(path) if path.is_dir() else [path]
        if not found:
            raise UsageError(f'there is no config in {path}')
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def read_leaves(paths: Iterable[Path]) -> list[Leaf]:
    """Reads the leaves that are named, with their ancestors, and those of folders.

    Args:
        paths: Configs, or folders of them.

    Raises:
        UsageError: A path or parent that is not there, no leaf in a folder, a docstring out of the
            grammar, or a circle of parents.
    """
    paths = list(paths)
    named = {path.resolve() for path in paths}
    leaves: dict[Path, Leaf] = {}
    for file in list_leaves(paths):
        leaf = leaves[file.resolve()] = read_leaf(file)
        broken = check_ancestors(leaf)
        if broken:
            raise UsageError(broken)
        while file.resolve() in named and leaf.parent:
            parent = leaf.file.parent / leaf.parent
            leaf = leaves.setdefault(parent.resolve(), read_leaf(parent))
    return list(leaves.values())


def grow(leaves: list[Leaf]) -> list[Row]:
    """Orders leaves as a tree is printed: each followed by its children, by name."""
    by_file = {leaf.file.resolve(): leaf for leaf in leaves}
    children: dict[Path | None, list[Leaf]] = {}
    for leaf in sorted(leaves, key=lambda leaf: leaf.file.stem):
        parent = leaf.parent and (leaf.file.parent / leaf.parent).resolve()
        children.setdefault(parent if parent in by_file else None, []).append(leaf)

    def descend(parent: Path | None, depth: int) -> Iterator[Row]:
        for leaf in children.get(parent, []):
            yield Row(leaf, depth, by_file.get(parent))
            yield from descend(leaf.file.resolve(), depth + 1)

    return list(descend(None, 0))


def short_name(file: Path, other: Path) -> str:
    """The parts of a leaf's name that another's lacks, and its version.

    ``segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2-erasing`` beside ``..._v2`` is ``v2-erasing``.
    """
    parts, others = file.stem.split('_'), other.stem.split('_')
    return ' '.join(
        part
        for index, part in enumerate(parts)
        if part not in others or (index == len(parts) - 1 and _VERSION.match(part))
    )


def family_of(leaf: Leaf) -> str:
    """Network and data set, from ``{model}_{backbone}_{gpus}xb{batch}-{schedule}_{dataset}-...``.

    The folder, where the name is none of these.
    """
    parts = leaf.file.stem.split('_')
    if len(parts) < 4:
        return leaf.file.parent.name
    return f'{parts[0]} {parts[1]}, {parts[3].rpartition("-")[0] or parts[3]}'


def short_path(change: Declaration) -> str:
    """The last two parts of a changed setting's path, without ``[*]``."""
    return '.'.join(change.path.replace('[*]', '').split('.')[-2:])


def short_text(change: Declaration, width: int = 60) -> str:
    """What is said of a change, without the reason, cut at a word if it is long."""
    text = change.text.partition(';')[0]
    if len(text) <= width:
        return text
    start = text[: width - 3]
    return (start.rpartition(' ')[0] or start[:-1]) + ' ...'


def score_of(leaf: Leaf) -> float | None:
    """The mIoU, in percent, of the headline; None where it has none."""
    found = _SCORE.search(leaf.headline)
    return float(found[1]) if found else None


def best_run(leaf: Leaf, work_dirs: Path) -> str:
    """Best mIoU of the run in ``work_dirs/NAME``, with its epoch; empty where there is none."""
    best = best_of(read_validations(work_dirs / leaf.file.stem))
    return f'{best["metrics"]["mIoU"]:.2f} (epoch {best["epoch"]})' if best else ''
