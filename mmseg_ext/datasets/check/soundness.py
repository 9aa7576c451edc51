"""Files that do not read, masks that hold no labels, pairs that do not fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmseg_ext.prepare.masks import way_out

from .files import ONE_BYTE, Look
from .findings import FAULT, WARNING, Finding, count
from .parts import Part
from .scan import Scan


@dataclass(frozen=True)
class Sizes:
    """Sizes of the images of a split, in pixels; (smallest, median, largest)."""

    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    different: int


def check_soundness(part: Part, scan: Scan) -> list[Finding]:
    """Damaged files, masks that are not one byte a pixel, images and masks of two sizes."""
    damaged: dict[str, list[str]] = {'image': [], 'mask': []}
    kinds, lossy, unequal, turned, flipped = {}, [], [], 0, []
    for image, image_look, mask, mask_look in scan.pairs(part):
        for kind, path, look in (('image', image, image_look), ('mask', mask, mask_look)):
            if look and look.problem:
                damaged[kind].append(f'{path}: {look.problem}')
        if mask_look and not mask_look.problem:
            if mask_look.mode and mask_look.mode not in ONE_BYTE and not mask_look.labels:
                kinds.setdefault(mask_look.mode, []).append(mask)
            if mask_look.format == 'JPEG':
                lossy.append(mask)
        if _differ(image_look, mask_look):
            turned += image_look.orientation >= 5
            unequal.append(f'{image}: {_size(image_look)}, its mask: {_size(mask_look)}')
        if image_look and image_look.orientation in (2, 3, 4) and mask_look:
            flipped.append(f'{image}: orientation {image_look.orientation}')
    findings = []
    for kind, items in damaged.items():
        _add(findings, FAULT, f'damaged-{kind}', part, items, kind,
             'cannot be read to the end: fetch or convert again')  # fmt: skip
    for mode, items in kinds.items():
        _add(findings, FAULT, 'mask-mode', part, items, 'mask', f'of mode {mode}, {way_out(mode)}')
    _add(findings, FAULT, 'mask-lossy', part, lossy, 'mask',
         'as JPEG, which changes labels: save as PNG from the source')  # fmt: skip
    why = '; EXIF turns the images, not their masks' if turned else ''
    _add(findings, FAULT, 'size-mismatch', part, unequal, 'image',
         f'of another size than the mask{why}')  # fmt: skip
    _add(findings, WARNING, 'exif-orientation', part, flipped, 'image',
         'that EXIF turns as they load, and the masks not: check that they fit')  # fmt: skip
    return findings


def measure(parts: Sequence[Part], scan: Scan) -> Sizes | None:
    """Sizes of the images of one split; None if none was read."""
    looks = [scan.images.get(path) for part in parts for path in part.images]
    sizes = np.array([look.size for look in looks if look and look.size and not look.problem])
    if not len(sizes):
        return None
    low, middle, high = (f(sizes, 0).astype(int).tolist() for f in (np.min, np.median, np.max))
    widths, heights = zip(low, middle, high, strict=True)
    return Sizes(widths, heights, len(np.unique(sizes, axis=0)))


def _add(findings, severity, kind, part, items, noun, text) -> None:
    if items:
        message = f'{count(len(items), noun)} {text}'
        findings.append(Finding(severity, kind, part.path, message, sorted(set(items))))


def _differ(image: Look | None, mask: Look | None) -> bool:
    whole = image and mask and not image.problem and not mask.problem
    return bool(whole and image.size and mask.size and image.size != mask.size)


def _size(look: Look) -> str:
    return f'{look.size[0]}x{look.size[1]}'
