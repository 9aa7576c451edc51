"""Images that are in two splits, or twice in one: by name, by content, by look."""

import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from .files import Look, is_plain, similar
from .findings import FAULT, NOTE, WARNING, Finding, count
from .parts import SPLITS, Part
from .scan import Scan


def check_overlap(parts: Sequence[Part], scan: Scan) -> list[Finding]:
    """Images that training and evaluation share, and copies within a split.

    Three ways to be the same image, each reported once: the same file; another file of the same
    bytes (or pixels, where the scan summed them); another file of the same name that looks the
    same, a warning, since frames of one camera look alike. A name alone proves nothing: many sets
    number the images of each folder from 1. Plain pictures, as empty tiles are, do not count as
    copies of each other.
    """
    splits = {split: [p for p in parts if p.split == split] for split in SPLITS}
    findings = []
    for one, other in combinations(SPLITS, 2):
        if splits[one] and splits[other]:
            findings += _between(one, splits[one], other, splits[other], scan)
    for split, members in splits.items():
        findings += _within(split, members, scan)
    return findings


def _between(
    one: str, ones: list[Part], other: str, others: list[Part], scan: Scan
) -> list[Finding]:
    left, right = _files(ones), _files(others)
    # where one is not trained on, nothing leaks
    severity, why = (
        (FAULT, f'{other} then measures what was trained on: take them out of {one}')
        if one == 'train'
        else (WARNING, 'the two then measure the same')
    )
    same = [right[real] for real in left.keys() & right.keys()]
    copies: list[str] = []
    for digest in ('digest', 'pixels'):
        known = _by_digest({r: p for r, p in left.items() if r not in right}, digest, scan)
        for real, path in right.items():
            for twin in known.get(_digest(scan.images.get(path), digest), ()):
                if real not in left:
                    copies.append(f'{path} = {twin}')
    copied = {item.split(' = ')[0] for item in copies}
    alike, namesakes = [], 0
    for path, twin in _same_names(ones, others):
        if os.path.realpath(path) in left or path in copied:
            continue
        looks = scan.images.get(path), scan.images.get(twin)
        if not all(look and look.thumbnail for look in looks):
            continue
        if similar(looks[0].thumbnail, looks[1].thumbnail):
            alike.append(f'{path} ~ {twin}')
        else:
            namesakes += 1
    findings = []
    for kind, items, certain, one_is, many_are in (
        ('leak-by-name', same, True, f'is in {one} too', f'are in {one} too'),
        ('leak-by-content', copies, True, f'is a copy of one in {one}',
         f'are copies of some in {one}'),
        ('leak-by-look', alike, False, f'has the name and look of one in {one}',
         f'have the name and look of some in {one}'),
    ):  # fmt: skip
        if items:
            said = count(len(items), f'image of {other} {one_is}', f'images of {other} {many_are}')
            told = why if certain else f'if they are the same, {why}'
            level = severity if certain else WARNING
            findings.append(Finding(level, kind, other, f'{said}; {told}', sorted(items)))
    if namesakes:
        message = f'{count(namesakes, "name")} of {other} also in {one}, for other pictures'
        findings.append(Finding(NOTE, 'namesakes', other, message))
    return findings


def _within(split: str, parts: list[Part], scan: Scan) -> list[Finding]:
    files = _files(parts)
    masks = {}
    for part in parts:
        for image, _, _, mask in scan.pairs(part):
            masks.setdefault(os.path.realpath(image), mask.digest if mask else '')
    groups: dict[frozenset, list[str]] = {}
    for digest in ('digest', 'pixels'):
        for twins in _by_digest(files, digest, scan).values():
            if len(twins) > 1:
                groups.setdefault(frozenset(twins), twins)
    if not groups:
        return []
    items, unlike = [], 0
    for twins in groups.values():
        differ = len({masks.get(os.path.realpath(path)) for path in twins}) > 1
        unlike += differ
        items.append(' = '.join(sorted(twins)) + (' (their masks differ)' if differ else ''))
    message = f'{count(len(items), "picture")} more than once, under different names'
    if unlike:
        message += f'; in {unlike:,} the masks differ: one of them must be wrong'
    return [Finding(WARNING, 'copies', split, message, sorted(items))]


def _files(parts: Sequence[Part]) -> dict[str, str]:
    """Paths as the datasets say them, by the file that they lead to."""
    return {os.path.realpath(path): path for part in parts for path in part.images}


def _by_digest(files: dict[str, str], digest: str, scan: Scan) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for path in files.values():
        key = _digest(scan.images.get(path), digest)
        if key:
            groups[key].append(path)
    return groups


def _digest(look: Look | None, digest: str) -> str:
    if look is None or (look.thumbnail and is_plain(look.thumbnail)):
        return ''
    return getattr(look, digest)


def _same_names(ones: Sequence[Part], others: Sequence[Part]) -> list[tuple[str, str]]:
    """Pairs of images whose path below the image folder, or whose unique file name, is the same."""
    pairs = set()
    for by_folder in (True, False):
        left, right = _names(ones, by_folder), _names(others, by_folder)
        for name in left.keys() & right.keys():
            # a file name that comes twice in a split, in different folders, is no name
            if len(left[name]) == len(right[name]) == 1:
                pairs.add((right[name][0], left[name][0]))
    return sorted(pairs)


def _names(parts: Sequence[Part], by_folder: bool) -> dict[str, list[str]]:
    names = defaultdict(list)
    for part in parts:
        folder = part.folder('img_path')
        for image in dict.fromkeys(part.images):
            path = Path(image)
            if by_folder and folder and path.is_relative_to(folder):
                names[str(path.relative_to(folder).with_suffix(''))].append(image)
            else:
                names[path.stem].append(image)
    return names
