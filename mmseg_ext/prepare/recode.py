"""Masks of any values or colours, turned into label files of one byte a pixel."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .jobs import clear_remains, run_jobs
from .masks import is_whole_png, read_mask
from .pairs import EXTENSIONS

MAP_FILE = 'label_map.txt'
_ENTRY = re.compile(r'(\d+)(?:\s*,\s*(\d+)\s*,\s*(\d+))?\s*=\s*(\d+)')


def parse_map(text: str) -> dict[int | tuple[int, int, int], int]:
    """Reads what becomes which label: ``0=0,255=1``, or ``255,0,0=1`` for red, green and blue.

    Entries are separated by commas, semicolons or white space; ``#`` begins a comment.

    Returns:
        The label, 0 to 255, by value or by (R, G, B); all keys are of one kind.

    Raises:
        UsageError: It holds something else, a value twice, values beside colours, or a number that
            is out of range.
    """
    text = re.sub(r'#.*', '', text)
    rest = _ENTRY.sub(' ', text).strip(' \t\r\n,;')
    if rest:
        raise UsageError(
            f'the map says {rest.split()[0]!r}; it takes VALUE=LABEL or R,G,B=LABEL, '
            'such as 0=0,255=1'
        )
    label_of = {}
    for red, green, blue, label in _ENTRY.findall(text):
        key = int(red) if not green else (int(red), int(green), int(blue))
        if int(label) > 255 or (green and max(key) > 255):
            raise UsageError(f'the map says {key}={label}; colours and labels are 0 to 255')
        if key in label_of:
            raise UsageError(f'the map has {key} twice')
        label_of[key] = int(label)
    if not label_of:
        raise UsageError('the map is empty; it takes VALUE=LABEL or R,G,B=LABEL')
    if len({type(key) for key in label_of}) > 1:
        raise UsageError('the map has both values and colours; a mask has the one or the other')
    return label_of


def recode(masks: Path, out: Path, label_of: Mapping, num_processes: int) -> int:
    """Writes each mask below a folder as a label file, ``.png``, under the same name below another.

    Files that are there already are kept, also when the map has grown since. The map is written
    beside them, as ``label_map.txt``.

    Returns:
        How many were written.

    Raises:
        UsageError: A mask does not read or holds a value that the map lacks, two would have the
            same name, or ``out`` was made with another map.
    """
    jobs = _jobs(masks, out, label_of)
    made_with = out / MAP_FILE
    if any(is_whole_png(target) for _, target, _ in jobs):
        if not made_with.is_file():
            raise UsageError(f'{out} holds label files of unknown origin; name another folder')
        # what a shorter map made stays right: an unknown value ends a run, and a longer one goes on
        if not _read_made_with(made_with).items() <= label_of.items():
            raise UsageError(f'{out} was made with another map, {made_with}; name another folder')
    for folder in {target.parent for _, target, _ in jobs} | {out}:
        folder.mkdir(parents=True, exist_ok=True)
        clear_remains(folder)
    with replacing(made_with) as part:
        part.write_text(_format(label_of))
    missing = [job for job in jobs if not is_whole_png(job[1])]
    run_jobs(_write, missing, num_processes, 'recoding')
    return len(missing)


def check_recoded(masks: Path, out: Path, label_of: Mapping, num_processes: int) -> list[str]:
    """Compares label files with the masks they were made from; returns a line for each fault."""
    jobs = _jobs(masks, out, label_of)
    extra = {path for path in out.rglob('*.png')} - {target for _, target, _ in jobs}
    found = run_jobs(_compare, jobs, num_processes, 'checking')
    faults = [fault for fault in found if fault]
    return faults + [f'{path} has no mask in {masks}' for path in sorted(extra)]


def map_labels(mask: Image.Image, label_of: Mapping) -> np.ndarray:
    """Turns a mask's values or colours into labels.

    With values, a mask with a palette counts by its indices, one of 16 bits by its numbers, and one
    in grey saved as colours by the grey. Full opacity is ignored.

    Args:
        mask: The picture.
        label_of: As ``parse_map`` returns it.

    Returns:
        (H, W), uint8.

    Raises:
        ValueError: It holds something that the map lacks: what and in how many pixels.
    """
    by_colour = isinstance(next(iter(label_of)), tuple)
    keys = {_pack(key) if by_colour else key: label for key, label in label_of.items()}
    values = _colours(mask) if by_colour else _values(mask)
    order = np.array(sorted(keys), np.int64)
    labels = np.array([keys[key] for key in order.tolist()], np.uint8)
    index = np.searchsorted(order, values).clip(max=len(order) - 1)
    unknown = values[order[index] != values]
    if len(unknown):
        found, counts = np.unique(unknown, return_counts=True)
        value = int(found[counts.argmax()])
        shown = ','.join(str(value >> shift & 255) for shift in (16, 8, 0)) if by_colour else value
        raise ValueError(
            f'{shown} in {counts.max():,} pixels and {len(found) - 1} other unknown ones'
        )
    return labels[index]


def _values(mask: Image.Image) -> np.ndarray:
    if mask.mode in ('L', 'P') or mask.mode.startswith('I'):
        return np.asarray(mask).astype(np.int64)
    if mask.mode == '1':
        return np.asarray(mask.convert('L')).astype(np.int64)
    colours = _colours(mask)
    red, green, blue = colours >> 16, colours >> 8 & 255, colours & 255
    if (red != green).any() or (green != blue).any():
        raise ValueError('colours, but the map has values; give it entries R,G,B=LABEL')
    return red


def _colours(mask: Image.Image) -> np.ndarray:
    if mask.mode.startswith('I') or mask.mode == 'F':
        raise ValueError('16 bits a pixel, but the map has colours; give it entries VALUE=LABEL')
    pixels = np.asarray(mask.convert('RGBA')).astype(np.int64)
    if (pixels[..., 3] != 255).any():
        raise ValueError('transparent pixels, which have no certain colour')
    return _pack(np.moveaxis(pixels[..., :3], -1, 0))


def _pack(colour):
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def _jobs(masks: Path, out: Path, label_of: Mapping) -> list[tuple[Path, Path, Mapping]]:
    if not masks.is_dir():
        raise UsageError(f'there is no folder {masks}')
    inner, outer = os.path.abspath(out), os.path.abspath(masks)
    if os.path.commonpath([inner, outer]) == outer:
        raise UsageError(f'{out} lies in {masks}; its files would be taken for masks')
    targets: dict[Path, Path] = {}
    for path in sorted(masks.rglob('*')):
        below = path.relative_to(masks)
        hidden = any(part.startswith('.') for part in below.parts)
        if path.suffix.lower() in EXTENSIONS and not hidden:
            target = out / below.with_suffix('.png')
            if target in targets:
                raise UsageError(f'{targets[target]} and {path} would both become {target}')
            targets[target] = path
    if not targets:
        raise UsageError(f'{masks} holds no file {", ".join(EXTENSIONS)}')
    return [(path, target, label_of) for target, path in targets.items()]


def _read_made_with(file: Path) -> dict:
    try:
        return parse_map(file.read_text(errors='replace'))
    except UsageError as error:
        raise UsageError(f'{file}: {error}; name another folder') from error


def _read(path: Path, label_of: Mapping) -> np.ndarray:
    try:
        picture = Image.open(path)
        picture.load()
    except Exception as error:  # Pillow raises nearly anything on a file that was cut off
        raise UsageError(f'{path} does not read: {error}') from error
    try:
        return map_labels(picture, label_of)
    except ValueError as error:
        lossy = path.suffix.lower() in ('.jpg', '.jpeg')
        hint = '; JPEG changes values: get the masks in a lossless format' if lossy else ''
        raise UsageError(f'{path} holds {error}{hint}') from error


def _write(job: tuple[Path, Path, Mapping]) -> None:
    source, target, label_of = job
    labels = Image.fromarray(_read(source, label_of))
    with replacing(target) as part:
        labels.save(part, 'PNG')


def _compare(job: tuple[Path, Path, Mapping]) -> str | None:
    source, target, label_of = job
    if not target.is_file():
        return f'{target} is missing'
    try:
        same = np.array_equal(read_mask(target), _read(source, label_of))
    except UsageError as error:
        return str(error)
    return None if same else f'{target} differs from {source}'


def _format(label_of: Mapping) -> str:
    lines = []
    for key, label in sorted(label_of.items()):
        shown = ','.join(map(str, key)) if isinstance(key, tuple) else key
        lines.append(f'{shown}={label}\n')
    return ''.join(lines)
