"""SBD, the additional VOC annotations, as MMSegmentation reads it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.engine.errors import UsageError

from .jobs import clear_remains, run_jobs
from .lists import find_list_faults, write_names
from .masks import is_whole_png, read_mask, write_mask
from .palette import voc_palette
from .sbd_mat import read_sbd_labels
from .voc_aug_sources import Sources, read_sources

NUM_CLASSES, VOID = 21, 255
PALETTE = voc_palette()

Job = tuple[Path, Path, Path]  # labels, mask, photograph


@dataclass
class Conversion:
    """What a conversion did.

    Attributes:
        sources: What it read.
        written: Masks that were not there before.
        kept: Masks that were.
        notes: What was wrong with lists that were there, and what became of them.
    """

    sources: Sources
    written: int
    kept: int
    notes: list[str] = field(default_factory=list)


def convert(devkit: Path, sbd: Path, out: Path, num_processes: int) -> Conversion:
    """Turns SBD's .mat files into PNGs, then writes ``aug.txt`` and ``trainaug.txt``, sorted.

    ``aug`` holds the SBD images that are in neither VOC list, ``trainaug`` those and VOC's train.
    No image of VOC's val is in either. Masks that are there already are kept, but for torn ones.

    SBD leaves out some of VOC's train, all pictures of 2007 for one. VOC's own masks stand in, so
    that ``out`` has one for every name in ``trainaug``.

    Args:
        devkit: Folder with ``VOC2012`` in it.
        sbd: Folder ``benchmark_RELEASE``, with ``dataset/cls/*.mat`` in it.
        out: Folder for the PNGs, usually ``VOC2012/SegmentationClassAug``.
        num_processes: Processes that convert.

    Raises:
        UsageError: As ``read_sources``; or a file does not read, or holds a label outside VOC's
            classes, or labels of another size than its photograph, or ``out`` is no
            folder for masks. The lists are not written then.
    """
    sources = read_sources(devkit, sbd)
    if out.resolve() == (sources.voc / 'SegmentationClass').resolve():
        raise UsageError(
            f"{out} holds VOC's own masks, which SBD's must not mix with; name another"
        )
    if out.exists() and not out.is_dir():
        raise UsageError(f'{out} is no folder; name one for the masks')
    out.mkdir(parents=True, exist_ok=True)
    clear_remains(out)
    jobs = list_jobs(sources, out)
    missing = [job for job in jobs if not is_whole_png(job[1])]
    run_jobs(_convert_mask, missing, num_processes, '.mat to PNG')
    conversion = Conversion(sources, len(missing), len(jobs) - len(missing))
    clear_remains(sources.list_folder)
    for split, names in sources.lists.items():
        conversion.notes += _write_list(sources.list_folder / f'{split}.txt', names, sources.val)
    return conversion


def list_jobs(sources: Sources, out: Path) -> list[Job]:
    """Each mask's source, the mask, and the photograph that has its size."""
    names = sorted(sources.annotated | sources.train)
    return [(sources.mask_source(n), out / f'{n}.png', sources.image(n)) for n in names]


def load_labels(source: Path, image: Path) -> np.ndarray:
    """Reads an image's labels from SBD's .mat or from VOC's PNG, (H, W), uint8.

    Raises:
        UsageError: They do not read, are outside VOC's classes or not of the photograph's size.
    """
    labels = read_sbd_labels(source) if source.suffix == '.mat' else read_mask(source)
    if labels.max(initial=0) >= NUM_CLASSES:
        outside = np.setdiff1d(labels, [*range(NUM_CLASSES), VOID])
        if len(outside):
            raise UsageError(
                f'{source} holds label {outside[0]}; VOC has {NUM_CLASSES} classes, 0 to '
                f'{NUM_CLASSES - 1}, and {VOID} for void; unpack its archive again'
            )
    try:
        with Image.open(image) as picture:  # reads no more than its header
            width, height = picture.size
    except OSError as error:
        raise UsageError(f'{image} does not read: {error}; unpack its archive again') from error
    if labels.shape != (height, width):
        raise UsageError(
            f'{source} is {labels.shape[1]}x{labels.shape[0]}, but {image} {width}x{height}; '
            'unpack both archives again'
        )
    return labels


def _convert_mask(job: Job) -> None:
    source, mask, image = job
    write_mask(mask, load_labels(source, image), PALETTE)


def _write_list(file: Path, names: list[str], val: set[str]) -> list[str]:
    """Writes a list unless it is right already; says what was wrong with it.

    One that named other images, which may be somebody's own, is kept beside it.
    """
    faults = find_list_faults(file, names, val)
    if not faults:
        return []
    notes = []
    if file.is_file():
        notes = [f'{fault}: written anew' for fault in faults]
        if not faults[0].endswith('is not sorted'):
            old = file.with_name(f'{file.name}.old')
            file.replace(old)
            notes.append(f'the list that was there is {old} now')
    write_names(file, names)
    return notes
