"""Which images and videos are meant, and what their results are called."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmseg_ext.engine.errors import UsageError

IMAGES = (
    '.jpg', '.jpeg', '.jpe', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.pnm',
    '.jp2',
)  # fmt: skip
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
RECORD = 'predictions.json'  # in a folder that holds predictions


class Input(NamedTuple):
    """An image or a video.

    Attributes:
        path: The file.
        name: What its results are called: unique, a path below the folder of results, no suffix.
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """Whether its suffix is one of a video."""
        return self.path.suffix.lower() in VIDEOS


def find_inputs(words: Sequence[str]) -> tuple[list[Input], list[str]]:
    """Finds files, folders with all below them, and glob patterns.

    Files that are named are taken whatever they are; of folders the images, but not those in
    folders of predictions.

    Args:
        words: Of the command line.

    Returns:
        The inputs, each file once; and notes on what was left out.

    Raises:
        UsageError: A word stands for nothing.
    """
    found: dict[Path, Path] = {}  # file: the folder that it is named below
    notes: list[str] = []
    for word in words:
        path = Path(word)
        if '://' in word:
            raise UsageError(f'{word} is an address: download it, and name the file')
        if path.is_dir():
            files, note = _list_folder(path)
            notes += note
        elif path.exists():
            files = {path: path.parent}
        else:
            files, note = _expand(word)
            notes += note
        for file, root in files.items():
            found.setdefault(_absolute(file), root)
    names = name_apart(list(found), list(found.values()))
    paths = [_relative(path) for path in found]
    return [Input(path, name) for path, name in zip(paths, names, strict=True)], notes


def name_apart(files: Sequence[Path], roots: Sequence[Path]) -> list[str]:
    """Names files by their path below a folder, without suffix; more where that is not unique.

    Files that differ in the suffix alone keep it, after an underscore, and a number if
    another file is called that. Others get folders above until their names differ. Names that
    differ in case alone count as equal, as some disks have it.

    Args:
        files: Absolute paths, each once.
        roots: For each the folder that it was found below.
    """
    stems = [file.with_suffix('') for file in files]
    for index in _clashing([str(stem) for stem in stems]):
        file = files[index]
        stems[index] = file.with_name(file.name.replace('.', '_'))
    stems = [Path(stem) for stem in _number([str(stem) for stem in stems])]
    depths = [
        len(file.relative_to(_absolute(root)).parts)
        for file, root in zip(files, roots, strict=True)
    ]
    while True:
        names = [
            Path(*stem.parts[-depth:]).as_posix() for stem, depth in zip(stems, depths, strict=True)
        ]
        clashing = [
            index for index in _clashing(names) if depths[index] < len(stems[index].parts) - 1
        ]
        if not clashing:
            return names
        for index in clashing:
            depths[index] += 1


def _clashing(names: Sequence[str]) -> list[int]:
    counts = Counter(name.lower() for name in names)
    return [index for index, name in enumerate(names) if counts[name.lower()] > 1]


def _number(names: Sequence[str]) -> list[str]:
    taken, numbered = {name.lower() for name in names}, []
    seen: set[str] = set()
    for name in names:
        free, number = name, 2
        while free.lower() in seen or (free != name and free.lower() in taken):
            free, number = f'{name}_{number}', number + 1
        seen.add(free.lower())
        numbered.append(free)
    return numbered


def _list_folder(folder: Path) -> tuple[dict[Path, Path], list[str]]:
    files, videos = {}, 0
    for place, below, names in os.walk(folder, followlinks=True):
        below.sort()
        if RECORD in names:
            below.clear()
            continue
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            videos += suffix in VIDEOS
            if suffix in IMAGES and not name.startswith('.'):
                files[Path(place, name)] = folder
    if not files:
        also = f', {videos} videos: name them' if videos else ''
        raise UsageError(f'no image below {folder} ({", ".join(IMAGES)}){also}')
    notes = [f'{videos} videos below {folder} are left out: name them'] if videos else []
    return files, notes


def _expand(pattern: str) -> tuple[dict[Path, Path], list[str]]:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        kind = 'nothing matches' if glob.has_magic(pattern) else 'there is no file or folder'
        raise UsageError(f'{kind} {pattern}')
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    files = {match: root for match in matches if match.is_file()}
    if files:
        return files, []
    found, notes = {}, []
    for folder in matches:
        below, note = _list_folder(folder)
        found |= dict.fromkeys(below, root)
        notes += note
    return found, notes


def _absolute(path: Path) -> Path:
    # not resolve(): links to one file in several folders are several inputs
    return Path(os.path.abspath(path))


def _relative(path: Path) -> Path:
    below = os.path.relpath(path)
    return path if below.startswith('..') else Path(below)
