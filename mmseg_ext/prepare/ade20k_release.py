"""Which release of the full ADE20K a folder holds, and its images."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

from .ade20k_pixels import Sample

SPLITS = ('training', 'validation')
CHALLENGE = 'ADEChallengeData2016'
# By name of a release: where its splits are, and how many images they have.
RELEASES = {
    '2021': ('images/ADE', {'training': 25574, 'validation': 2000}),
    '2016': ('images', {'training': 20210, 'validation': 2000}),
}
FOLDERS = {'ADE20K_2016_07_26', 'ADE20K_2021_17_01', CHALLENGE}


@dataclass(frozen=True)
class Release:
    """A folder with a full release.

    Attributes:
        name: ``2016`` or ``2021``.
        root: The folder.
        images: Where its splits are.
        expected: Number of images in each split of the real release.
    """

    name: str
    root: Path
    images: Path
    expected: dict[str, int]


def find_release(root: Path) -> Release:
    """Finds out which release a folder holds.

    Raises:
        UsageError: None; the message says what the folder is instead, if that is known.
    """
    if any((root / 'annotations' / split).is_dir() for split in SPLITS):
        raise UsageError(
            f'{root} is {CHALLENGE}, which has the 150 classes already and needs no conversion: '
            f'set data_root={root}'
        )
    for name, (place, expected) in RELEASES.items():
        images = root / place
        if any((images / split).is_dir() for split in SPLITS):
            return Release(name, root, images, expected)
    inner = sorted(FOLDERS & {path.name for path in root.glob('*')})
    if inner:
        raise UsageError(f'{root} holds {inner[0]}: give {root / inner[0]}')
    raise UsageError(
        f'{root} holds no full ADE20K: there is no images/training (release 2016) or '
        'images/ADE/training (release 2021) in it'
    )


def find_samples(release: Release, out: Path) -> list[Sample]:
    """Finds the images of a release, sorted by split and name.

    Raises:
        UsageError: There is none, one has no ``_seg.png``, or two have the same name.
    """
    found: dict[tuple[str, str], Sample] = {}
    bare = []
    for split in SPLITS:
        for image in _walk(release.images / split):
            key = split, image.stem
            if key in found:
                raise UsageError(f'{found[key].image} and {image} have the same name')
            seg = image.with_name(f'{image.stem}_seg.png')
            targets = (
                out / 'images' / split / f'{image.stem}.jpg',
                out / 'annotations' / split / f'{image.stem}.png',
            )
            found[key] = Sample(image, seg, *targets)
            if not seg.is_file():
                bare.append(image)
    if bare:
        raise UsageError(
            f'{len(bare):,} of {len(found):,} images in {release.images} have no _seg.png beside '
            f'them, {min(bare)} for one; unpack the release again'
        )
    if not found:
        raise UsageError(f'there is no image NAME.jpg below {release.images}')
    return [found[key] for key in sorted(found)]


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        images = [name for name in files if name.endswith('.jpg')]
        # the 2021 release has a folder of instance masks for each image
        stems = {name.removesuffix('.jpg') for name in images}
        folders[:] = sorted(set(folders) - stems)
        yield from (Path(place, name) for name in images)
