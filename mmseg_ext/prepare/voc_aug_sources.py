"""What VOC 2012 and SBD bring to their joint training set, checked before anything is written."""

import os
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

from .lists import count_names, names_checksum, read_names

# Of the real sets; SBD: Hariharan et al., Semantic contours from inverse detectors, 2011.
NUM_TRAIN, NUM_VAL, NUM_SBD, NUM_TRAINAUG = 1464, 1449, 11355, 10582
# Of the sorted names, one a line: what sha256sum prints of a sorted list.
TRAINAUG_SHA256 = 'd1326bd532648d73bc4b1bd275434eba81930982dc7401a65a8cecb26c028e24'
VAL_SHA256 = 'cdc1326d12f69ce5153aa5da04a4d8783e146868d42d19f82f44e74b97ac907d'


@dataclass(frozen=True)
class Sources:
    """The images of VOC 2012 and SBD, by the names in their lists.

    Attributes:
        voc: Folder ``VOC2012``.
        sbd: Folder ``benchmark_RELEASE/dataset``.
        train: Of VOC's train list.
        val: Of VOC's val list.
        annotated: Of SBD's two lists, which overlap with both of VOC's.
    """

    voc: Path
    sbd: Path
    train: set[str]
    val: set[str]
    annotated: set[str]

    @property
    def lists(self) -> dict[str, list[str]]:
        """What each list must hold, sorted: ``aug`` is new to VOC, ``trainaug`` aug and train."""
        return {
            'aug': sorted(self.annotated - self.train - self.val),
            'trainaug': sorted((self.annotated | self.train) - self.val),
        }

    @property
    def list_folder(self) -> Path:
        """Where VOC keeps its lists."""
        return self.voc / 'ImageSets' / 'Segmentation'

    @property
    def is_real(self) -> bool:
        """Whether the lists are as long as those of the real sets."""
        return self._lengths() == [NUM_TRAIN, NUM_VAL, NUM_SBD]

    def mask_source(self, name: str) -> Path:
        """Where an image's labels come from: SBD, and VOC where SBD leaves out one of VOC's."""
        if name in self.annotated:
            return self.sbd / 'cls' / f'{name}.mat'
        return self.voc / 'SegmentationClass' / f'{name}.png'

    def image(self, name: str) -> Path:
        """The photograph."""
        return self.voc / 'JPEGImages' / f'{name}.jpg'

    def describe(self) -> str:
        """Whether these are the real sets, and if not, what their lists hold."""
        if self.is_real:
            return 'the real VOC 2012 and SBD: trainaug has the known names'
        train, val, annotated = self._lengths()
        return (
            f'not the real VOC 2012 and SBD: train.txt {train:,} names (real: {NUM_TRAIN:,}), '
            f"val.txt {val:,} ({NUM_VAL:,}), SBD's lists {annotated:,} ({NUM_SBD:,})"
        )

    def _lengths(self) -> list[int]:
        return [len(names) for names in (self.train, self.val, self.annotated)]


def read_sources(devkit: Path, sbd: Path) -> Sources:
    """Reads the lists of both sets and looks whether their files are there.

    Args:
        devkit: Folder with ``VOC2012`` in it.
        sbd: Folder ``benchmark_RELEASE``, with ``dataset/cls/*.mat`` in it.

    Raises:
        UsageError: A folder, list or file is not where it belongs, a list names something twice,
            VOC's train and val overlap, or the lists of the real sets are not theirs.
    """
    voc, dataset = devkit / 'VOC2012', sbd / 'dataset'
    for folder, belongs, argument in (
        (voc, 'VOC2012', 'the devkit is the folder VOCdevkit'),
        (dataset / 'cls', 'dataset/cls', 'SBD is the folder benchmark_RELEASE'),
    ):
        if not folder.is_dir():
            given = str(folder).removesuffix(belongs)
            raise UsageError(f'there is no {belongs} in {given}; {argument}')
    lists = voc / 'ImageSets' / 'Segmentation'
    sources = Sources(
        voc,
        dataset,
        read_names(lists / 'train.txt'),
        read_names(lists / 'val.txt'),
        read_names(dataset / 'train.txt') | read_names(dataset / 'val.txt'),
    )
    leaked = sources.train & sources.val
    if leaked:
        raise UsageError(
            f'train.txt and val.txt in {lists} both list {count_names(leaked)}; '
            'unpack VOCtrainval_11-May-2012.tar again'
        )
    if sources.is_real:
        _check_sums(sources)
    _check_files(sources)
    return sources


def _check_sums(sources: Sources) -> None:
    """Raises ``UsageError`` if lists of the real lengths hold other names than the real ones."""
    names = sources.lists['trainaug']
    checksum = names_checksum(names)
    if names_checksum(sources.val) != VAL_SHA256:
        wrong = f'{sources.list_folder}/val.txt holds other names than that of VOC 2012'
    elif len(names) != NUM_TRAINAUG:
        wrong = f"VOC's train and SBD without VOC's val are {len(names):,} images, not 10,582"
    elif checksum != TRAINAUG_SHA256:
        wrong = f'the names of trainaug have SHA-256 {checksum}, not {TRAINAUG_SHA256}'
    else:
        return
    raise UsageError(
        f"{wrong}; VOC's train.txt or val.txt or SBD's train.txt or val.txt was changed: "
        'unpack VOCtrainval_11-May-2012.tar and benchmark.tgz again'
    )


def _check_files(sources: Sources) -> None:
    """Raises ``UsageError`` if a listed image lacks its photograph or its labels."""
    annotated, copied = sources.annotated, sources.train - sources.annotated
    for folder, suffix, names, archive in (
        (sources.sbd / 'cls', '.mat', annotated, 'benchmark.tgz'),
        (sources.voc / 'SegmentationClass', '.png', copied, 'VOCtrainval_11-May-2012.tar'),
        (sources.voc / 'JPEGImages', '.jpg', annotated | copied, 'VOCtrainval_11-May-2012.tar'),
    ):
        # one look at the folder: asking for 11,000 files one by one takes seconds on network disks
        found = set(os.listdir(folder)) if folder.is_dir() else set()
        missing = {f'{name}{suffix}' for name in names} - found
        if missing:
            raise UsageError(
                f'{folder} lacks {count_names(missing)}, which a list names; unpack {archive} again'
            )
