"""Lists against folders: what is missing, what nobody lists, what is listed twice."""

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmseg_ext.records.checksums import list_files

from .findings import FAULT, NOTE, WARNING, Finding, count
from .parts import Part


def check_pairs(parts: Sequence[Part]) -> list[Finding]:
    """Missing images and masks, names that come twice, files that no dataset names."""
    findings = []
    for part in parts:
        findings += _missing(part, 'image', part.images)
        findings += _missing(part, 'mask', part.masks)
        findings += _duplicates(part)
    findings += _shared(parts)
    for key, kind in (('img_path', 'image'), ('seg_map_path', 'mask')):
        findings += _unlisted(parts, key, kind)
    return findings


def _missing(part: Part, kind: str, paths: Sequence[str]) -> list[Finding]:
    missing = sorted({path for path in paths if not Path(path).is_file()})
    if not missing:
        return []
    hint = _hint(part, kind, Path(missing[0]))
    message = f'{count(len(missing), kind)} missing of {len(set(paths)):,}{hint}'
    return [Finding(FAULT, f'missing-{kind}', part.path, message, missing)]


def _hint(part: Part, kind: str, path: Path) -> str:
    """What may be meant by a path that is not there."""
    suffix = getattr(part.dataset, 'img_suffix' if kind == 'image' else 'seg_map_suffix', '')
    if path.name == suffix:
        return '; a line of the list is blank'
    stem = path.name.removesuffix(suffix)
    if path.parent.is_dir():
        for other in [path.with_name(stem), *sorted(path.parent.glob(f'{glob.escape(stem)}.*'))]:
            if other.is_file() and other.name == stem:
                return f'; there is {other.name}: the list must hold names without {suffix}'
            if other.is_file():
                key = 'img_suffix' if kind == 'image' else 'seg_map_suffix'
                return f'; there is {other.name}: set {key}={other.name[len(stem) :]!r}'
    return ''


def _duplicates(part: Part) -> list[Finding]:
    twice = sorted(path for path, times in Counter(part.images).items() if times > 1)
    if not twice:
        return []
    place = getattr(part.dataset, 'ann_file', '') or 'the dataset'
    message = f'{place} lists {count(len(twice), "image")} more than once: they count double'
    return [Finding(FAULT, 'listed-twice', part.path, message, twice)]


def _shared(parts: Sequence[Part]) -> list[Finding]:
    """Images that two datasets of one split name, as trainaug and aug do."""
    findings = []
    for index, part in enumerate(parts):
        for other in parts[:index]:
            both = sorted(set(part.images) & set(other.images)) if other.split == part.split else []
            if both:
                message = (
                    f'{count(len(both), "image")} of {len(set(part.images)):,} are in {other.path} '
                    'too: they count double; use lists that share nothing (VOC: train and aug, or '
                    'trainaug alone)'
                )
                findings.append(Finding(WARNING, 'in-two-datasets', part.path, message, both))
    return findings


def _unlisted(parts: Sequence[Part], key: str, kind: str) -> list[Finding]:
    listed = {Path(p) for part in parts for p in (part.images + part.masks)}
    folders: dict[Path, list[Part]] = {}
    for part in parts:
        folder = part.folder(key)
        if folder and folder.is_dir() and (kind == 'image' or part.has_labels):
            folders.setdefault(folder, []).append(part)
    findings = []
    for folder, users in folders.items():
        there = (folder / name for name, _ in list_files(folder))
        extra = sorted(str(path) for path in there if path not in listed)
        if not extra:
            continue
        # a list may well choose; a dataset without one is meant to be all of the folder
        all_listed = any(getattr(part.dataset, 'ann_file', '') for part in users)
        message = f'{count(len(extra), "file")} in {folder} that no data set of the config names'
        if not all_listed:
            message += _why(users[0], kind, extra)
        severity = NOTE if all_listed else WARNING
        findings.append(Finding(severity, f'unlisted-{kind}', users[0].path, message, extra))
    return findings


def _why(part: Part, kind: str, extra: Iterable[str]) -> str:
    suffix = getattr(part.dataset, 'img_suffix' if kind == 'image' else 'seg_map_suffix', None)
    if suffix and any(not path.endswith(suffix) for path in extra):
        return f': it reads those that end in {suffix}'
    return ': masks without an image' if kind == 'mask' else ''
