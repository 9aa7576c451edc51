"""The 150 classes of the scene parsing benchmark in terms of the full ADE20K."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

NUM_CLASSES = 150
MAX_INDEX = 255 // 10 * 256 + 255  # what the red and green of a _seg.png can say
SOURCE = 'https://raw.githubusercontent.com/CSAILVision/sceneparsing/master'

# Object names whose class is not the one of the same name. The 2016 mapping joins door and double
# door, booth with booth/cubicle and closet with wardrobe; "crt screen" has since got a synonym.
RESOLVED = {
    'door': 'door double door',
    'double door': 'door double door',
    'closet': 'wardrobe closet press',
    'booth': 'booth cubicle stall kiosk',
    'screen, crt screen': 'crt screen',
}


@dataclass
class Matches:
    """Which object names are which class.

    Attributes:
        classes: By object index, 1-based, the class, 1 to 150.
        how: By object index ``same name``, ``other order`` or ``resolved``.
        missing: Classes that found no object name.
        similar: By object index that has no class, the classes that one of its synonyms names.
    """

    classes: dict[int, int]
    how: dict[int, str]
    missing: list[int]
    similar: dict[int, list[int]]


def read_mapping(file: Path) -> dict[int, int]:
    """Reads ``mapFromADE.txt``: by object index of the 2016 release the class, 1 to 150.

    Several object indices may have the same class.

    Raises:
        UsageError: There is none, or it is not that file.
    """
    mapping = {}
    lines = _read(file, f'{SOURCE}/convertFromADE/mapFromADE.txt').splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        words = line.split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            raise UsageError(
                f'{file}, line {number}: {line[:40]!r} is no pair of class and object index; '
                f'download {SOURCE}/convertFromADE/mapFromADE.txt again'
            )
        label, index = map(int, words)
        if not (1 <= label <= NUM_CLASSES and 1 <= index <= MAX_INDEX):
            raise UsageError(
                f'{file}, line {number}: {line.strip()!r} is outside classes 1 to {NUM_CLASSES} '
                f'and object indices 1 to {MAX_INDEX}'
            )
        if mapping.setdefault(index, label) != label:
            raise UsageError(
                f'{file} gives object index {index} two classes, {mapping[index]} and {label}'
            )
    missing = set(range(1, NUM_CLASSES + 1)) - set(mapping.values())
    if missing:
        raise UsageError(
            f'{file} lacks {len(missing)} of {NUM_CLASSES} classes, {min(missing)} for one; '
            f'download {SOURCE}/convertFromADE/mapFromADE.txt again'
        )
    return mapping


def read_class_names(file: Path) -> list[str]:
    """Reads the names of the 150 classes from ``objectInfo150.csv``.

    Its synonyms, and the words of one synonym, are all separated by semicolons, so that only the
    words of all synonyms together are known: ``door double door``.

    Raises:
        UsageError: There is none, or it is not that file.
    """
    url = f'{SOURCE}/objectInfo150.csv'
    rows = list(csv.DictReader(_read(file, url).splitlines()))
    names = {row.get('Idx'): row.get('Name') for row in rows}
    wanted = [str(index) for index in range(1, NUM_CLASSES + 1)]
    missing = [index for index in wanted if not names.get(index)]
    if missing or len(rows) != NUM_CLASSES:
        raise UsageError(
            f'{file} has no Idx and Name for class {missing[0] if missing else len(rows)}, '
            f'{len(rows)} rows; download {url} again'
        )
    return [' '.join(_words(names[index])) for index in wanted]


def match_names(object_names: Sequence[str], class_names: Sequence[str]) -> Matches:
    """Finds the class of each object name by all of its words.

    One synonym alone decides nothing: ``machine`` is a synonym of the class car, but the object of
    that name is no car, and not in any class of the 2016 mapping either.

    Args:
        object_names: Of the index file, synonyms separated by commas.
        class_names: Of ``read_class_names``.
    """
    exact = {name: label for label, name in enumerate(class_names, 1)}
    sets = {tuple(sorted(name.split())): label for name, label in exact.items()}
    found = Matches({}, {}, [], {})
    for index, name in enumerate(object_names, 1):
        words = _words(name)
        choices = {
            'resolved': exact.get(RESOLVED.get(name.strip())),
            'same name': exact.get(' '.join(words)),
            'other order': sets.get(tuple(sorted(words))),
        }
        for how, label in choices.items():
            if label:
                found.classes[index], found.how[index] = label, how
                break
        else:
            found.similar[index] = _similar(name, class_names)
    found.missing = sorted(set(exact.values()) - set(found.classes.values()))
    return found


def _similar(name: str, class_names: Sequence[str]) -> list[int]:
    synonyms = [f' {" ".join(_words(part))} ' for part in name.split(',')]
    return [
        label
        for label, words in enumerate(class_names, 1)
        if any(synonym in f' {words} ' for synonym in synonyms if synonym.strip())
    ]


def _words(name: str) -> list[str]:
    return re.split(r'[\s,;]+', name.strip(' ,;'))


def _read(file: Path, url: str) -> str:
    if not file.is_file():
        raise UsageError(f'there is no {file}; download {url} to that place')
    return file.read_text(errors='replace')
