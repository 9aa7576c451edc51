"""A synthetic VOC 2012 and SBD tree, small enough to train on with two CPU cores in minutes.

The pictures are those of ``demo_scene``. The folders, file names, lists, palette and void borders
are those of the real releases, so that everything downstream (SBD conversion, dataset configs,
metrics) runs on the demo as it is.

Not written, since semantic segmentation reads none of it: VOC's ``Annotations`` and
``SegmentationObject``, SBD's ``inst``.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from .demo_objects import NUM_OBJECT_CLASSES
from .demo_scene import draw_scene
from .lists import write_names
from .palette import voc_palette
from .sbd_mat import sbd_mat_bytes

FORMAT_VERSION = 1
MARKER = 'demo.json'
VOID = 255


def _write_tree(
    root: Path, counts: dict[str, int], seed: int, progress: Callable[[list], Iterable]
) -> None:
    """Writes both releases under ``root``, which exists and is empty."""
    voc, sbd = root / 'VOCdevkit/VOC2012', root / 'benchmark_RELEASE/dataset'
    for folder in (voc / 'JPEGImages', voc / 'SegmentationClass', sbd / 'cls', sbd / 'img'):
        folder.mkdir(parents=True)
    palette = voc_palette().ravel().tolist()
    names: dict[str, list[str]] = {split: [] for split in counts}
    sbd_names = []
    jobs = [(s, split, i) for s, split in enumerate(counts) for i in range(counts[split])]
    for s, split, i in progress(jobs):
        # a number per split and index: a larger split leaves every other picture as it was
        number = len(counts) * i + s
        name = f'{2007 + number % 5}_{32 + 7 * number:06d}'
        names[split].append(name)
        main_class = i % NUM_OBJECT_CLASSES + 1
        image, label, border = draw_scene(main_class, np.random.default_rng([seed, s, i]))
        jpeg = voc / 'JPEGImages' / f'{name}.jpg'
        Image.fromarray(image).save(jpeg, quality=90)
        if split != 'aug':
            mask = Image.fromarray(np.where(border, VOID, label).astype(np.uint8))
            mask.putpalette(palette)
            mask.save(voc / 'SegmentationClass' / f'{name}.png')
        # SBD annotates VOC's own pictures too: here every second one, those of val among them
        if split == 'aug' or i % 2 == 0:
            shutil.copyfile(jpeg, sbd / 'img' / jpeg.name)
            (sbd / 'cls' / f'{name}.mat').write_bytes(sbd_mat_bytes(label))
            sbd_names.append(name)

    lists = voc / 'ImageSets/Segmentation'
    write_names(lists / 'train.txt', names['train'])
    write_names(lists / 'val.txt', names['val'])
    write_names(lists / 'trainval.txt', names['train'] + names['val'])
    # SBD splits on its own: names of VOC's train and val stand in both of its lists
    sbd_val = sbd_names[::4]
    write_names(sbd / 'train.txt', set(sbd_names) - set(sbd_val))
    write_names(sbd / 'val.txt', sbd_val)


def _count_files(root: Path) -> int:
    """Counts the files of the two releases: not those that the SBD conversion adds to them."""
    converted = {'SegmentationClassAug', 'aug.txt', 'trainaug.txt'}
    return sum(
        path.is_file() and path.name != MARKER and converted.isdisjoint(path.parts)
        for path in root.rglob('*')
    )


def _is_complete(out: Path, settings: dict, force: bool) -> bool:
    """Whether ``out`` already is the tree asked for; raises where it must not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    marker = out / MARKER
    if not marker.is_file():
        raise FileExistsError(f'{out} is no demo tree (no {MARKER} in it); name another folder')
    found = json.loads(marker.read_text())
    num_files = found.pop('num_files')
    if force:
        return False
    if found != settings:
        differing = [f'{k}={found.get(k)}' for k in settings if found.get(k) != settings[k]]
        raise FileExistsError(
            f'{out} was made with {", ".join(differing)}; --force (force=True) replaces it'
        )
    present = _count_files(out)
    if present != num_files:
        raise FileExistsError(
            f'{out} holds {present} of {num_files} files; --force (force=True) replaces it'
        )
    return True


def write_demo(
    out: str | Path = 'data/demo',
    num_train: int = 480,
    num_aug: int = 120,
    num_val: int = 60,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[list], Iterable] = iter,
) -> bool:
    """Writes the demo's ``VOCdevkit/VOC2012`` and ``benchmark_RELEASE`` under ``out``.

    The same settings give the same bytes with the same library versions on the same kind of CPU;
    elsewhere single pixels may round differently. The tree appears under its name only when whole.

    Args:
        out: Folder to make. A whole tree of the same settings is left alone.
        num_train: Images in VOC's train list, at least 20: each class is the main object of every
            20th image.
        num_aug: Images that only SBD annotates, at least 1.
        num_val: Images in VOC's val list, at least 20.
        seed: At least 0.
        force: Replace a demo tree of other settings, or a damaged one.
        progress: Wraps the list of images to go through, for a progress bar.

    Returns:
        Whether anything was written.

    Raises:
        ValueError: A setting is out of range.
        FileExistsError: ``out`` holds something else, and must not or may not be replaced.
    """
    counts = {'train': num_train, 'val': num_val, 'aug': num_aug}
    for split, least in (('train', NUM_OBJECT_CLASSES), ('val', NUM_OBJECT_CLASSES), ('aug', 1)):
        if counts[split] < least:
            raise ValueError(f'num_{split}={counts[split]}: needs at least {least}')
    if seed < 0:
        raise ValueError(f'seed={seed}: needs at least 0')
    out = Path(out)
    settings = {
        'format': FORMAT_VERSION,
        **{f'num_{k}': n for k, n in counts.items()},
        'seed': seed,
    }
    if _is_complete(out, settings, force):
        return False

    fresh, stale = (out.with_name(f'.{out.name}.{os.getpid()}.{what}') for what in ('new', 'old'))
    fresh.mkdir(parents=True)
    try:
        _write_tree(fresh, counts, seed, progress)
        marker = settings | {'num_files': _count_files(fresh)}
        (fresh / MARKER).write_text(json.dumps(marker, indent=2) + '\n')
        if out.exists():
            out.rename(stale)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(stale, ignore_errors=True)
    return True
