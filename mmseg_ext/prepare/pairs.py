"""Images and their label files in any two folders, paired by name."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')

JPEG = ('.jpg', '.jpeg')

# What names end in besides the extension, as tools and public sets write them; the plain one first.
IMAGE_ENDINGS = ('', '_leftImg8bit', '_image', '_img', '_sat', '_rgb')
MASK_ENDINGS = (
    '', '_mask', '_masks', '-mask', '_label', '_labels', '_labelIds', '_labelTrainIds',
    '_gtFine_labelIds', '_gtFine_labelTrainIds', '_gtCoarse_labelIds', '_gt', '_seg',
    '_segmentation', '_annotation', '_L',
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """An image and its label file.

    Attributes:
        name: What the two names have in common, below their folders; posix, without extension.
        image: Path of the image.
        mask: Path of the label file.
        img_suffix: What follows the name in the image's, as in MMSegmentation's configs.
        seg_map_suffix: The same of the label file.
    """

    name: str
    image: Path
    mask: Path
    img_suffix: str
    seg_map_suffix: str


@dataclass(frozen=True)
class Pairs:
    """The pairs of two folders, sorted by name, and the files that found no partner."""

    pairs: list[Pair]
    lone_images: list[Path]
    lone_masks: list[Path]


def find_pairs(
    images: str, masks: str, img_suffix: str | None = None, seg_map_suffix: str | None = None
) -> Pairs:
    """Pairs the images below one folder with the label files below another.

    A pair has the same name below its folder but for its end. Which ends the two sides have is
    tried out: those of ``IMAGE_ENDINGS`` and ``MASK_ENDINGS`` that make the most pairs. Hidden
    files are left out.

    Args:
        images: Folder; ``*`` stands for any one folder name: with ``scenes/*/image`` and
            ``scenes/*/label`` what it stands for becomes the first part of the name.
        masks: The same for the label files; may be the same folder.
        img_suffix: The end of every image's name, with its extension, if it is known.
        seg_map_suffix: The same of the label files.

    Raises:
        UsageError: A folder is not there or holds no such file, there is no pair, or two files
            have the same name; or a label file is a JPEG.
    """
    image_files = dict(_list_files(images, img_suffix))
    mask_files = dict(_list_files(masks, seg_map_suffix))
    best = max(
        itertools.product(
            [img_suffix] if img_suffix else _occurring(image_files, IMAGE_ENDINGS),
            [seg_map_suffix] if seg_map_suffix else _occurring(mask_files, MASK_ENDINGS),
        ),
        key=lambda ends: _count_pairs(image_files, mask_files, *ends),
    )
    image_names = _by_name(image_files, best[0])
    mask_names = _by_name(mask_files, best[1])
    # in a folder that holds both, a label file is no image
    are_masks = {path for found in mask_names.values() for _, path in found} if best[1] else set()
    pairs, lone_images = [], []
    for name, candidates in image_names.items():
        found = [(end, path) for end, path in candidates if path not in are_masks]
        partners = mask_names.get(name, [])
        if found and partners:
            _only_one(found, '--img-suffix')
            _only_one(partners, '--seg-map-suffix')
            (end, image), (mask_end, mask) = found[0], partners[0]
            if image == mask:
                raise UsageError(
                    f'{image} would be its own label file; say what the names of each end in, '
                    'such as --img-suffix .jpg --seg-map-suffix _mask.png'
                )
            pairs.append(Pair(name, image, mask, end, mask_end))
        else:
            lone_images += [path for _, path in found]
    if not pairs:
        raise UsageError(
            f'no image of {images} has a label file in {masks}: {next(iter(image_files.values()))} '
            f'and {next(iter(mask_files.values()))} for one; say what their names end in, such as '
            '--img-suffix _photo.jpg --seg-map-suffix _classes.png'
        )
    lossy = next((pair.mask for pair in pairs if pair.mask.suffix.lower() in JPEG), None)
    if lossy:
        raise UsageError(
            f'{lossy} would be a label file, but JPEG changes labels; are the folders swapped?'
        )
    used = {path for pair in pairs for path in (pair.image, pair.mask)}
    lone_masks = [path for path in mask_files.values() if path not in used]
    return Pairs(
        sorted(pairs, key=lambda pair: pair.name),
        sorted(lone_images),
        sorted(set(lone_masks) - set(image_files.values())),
    )


def find_folders(pattern: str) -> list[tuple[str, Path]]:
    """The folders that a pattern names, each with what its ``*`` stand for, joined by ``/``."""
    if '*' not in pattern:
        return [('', Path(pattern))] if Path(pattern).is_dir() else []
    parts = Path(pattern).parts
    start = next(index for index, part in enumerate(parts) if '*' in part)
    base = Path(*parts[:start])
    found = []
    for folder in sorted(base.glob('/'.join(parts[start:]))):
        below = folder.relative_to(base).parts
        stars = [below[i] for i, part in enumerate(parts[start:]) if '*' in part]
        if folder.is_dir():
            found.append(('/'.join(stars), folder))
    return found


def _list_files(pattern: str, suffix: str | None) -> Iterator[tuple[str, Path]]:
    """Yields (name with its end, path) of the files below the folders of a pattern."""
    folders = find_folders(pattern)
    if not folders:
        raise UsageError(f'there is no folder {pattern}')
    empty = True
    for prefix, folder in folders:
        for base, below, files in os.walk(folder, followlinks=True):
            below[:] = sorted(name for name in below if not name.startswith('.'))
            for file in sorted(files):
                wanted = file.endswith(suffix) if suffix else _has_extension(file)
                if wanted and not file.startswith('.'):
                    path = Path(base, file)
                    name = path.relative_to(folder).as_posix()
                    yield f'{prefix}/{name}' if prefix else name, path
                    empty = False
    if empty:
        raise UsageError(f'{pattern} holds no file {suffix or ", ".join(EXTENSIONS)}')


def _has_extension(file: str) -> bool:
    return file.lower().endswith(EXTENSIONS)


def _stem(file: str, end: str) -> str | None:
    """The name without its end; None if it does not end so. An end without ``.`` takes any."""
    if '.' in end:
        return file[: -len(end)] if file.endswith(end) else None
    stem = os.path.splitext(file)[0]
    if not stem.endswith(end) or os.path.basename(stem) == end:
        return None
    return stem[: len(stem) - len(end)]


def _occurring(files: dict[str, Path], endings: tuple[str, ...]) -> list[str]:
    return [end for end in endings if any(_stem(file, end) is not None for file in files)]


def _count_pairs(images: dict[str, Path], masks: dict[str, Path], *ends: str) -> int:
    names = {_stem(file, ends[0]): path for file, path in images.items()}
    partners = {_stem(file, ends[1]): path for file, path in masks.items()}
    return sum(
        name is not None and name in partners and partners[name] != path
        for name, path in names.items()
    )


def _by_name(files: dict[str, Path], end: str) -> dict[str, list[tuple[str, Path]]]:
    names = {}
    for file, path in files.items():
        name = _stem(file, end)
        if name is not None:
            names.setdefault(name, []).append((file[len(name) :], path))
    return names


def _only_one(found: list[tuple[str, Path]], option: str) -> None:
    if len(found) > 1:
        raise UsageError(
            f'{found[0][1]} and {found[1][1]} have the same name; say which to take: '
            f'{option} {found[0][0]}'
        )
