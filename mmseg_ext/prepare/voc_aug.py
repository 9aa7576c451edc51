"""SBD, the additional VOC annotations, as MMSegmentation reads it."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .jobs import clear_remains, is_written, run_jobs
from .lists import read_names, write_names
from .palette import voc_palette

# of the real VOC 2012 and SBD: Hariharan et al., Semantic contours from inverse detectors, 2011
NUM_TRAINAUG = 10582


def convert(devkit: Path, sbd: Path, out: Path, num_processes: int) -> dict[str, int]:
    """Turns SBD's .mat files into PNGs and writes ``aug.txt`` and ``trainaug.txt``, sorted.

    ``aug`` holds the SBD images that are in neither VOC list, ``trainaug`` those and VOC's train.
    No image of VOC's val is in either. Files that are there already are kept.

    Args:
        devkit: Folder with ``VOC2012`` in it.
        sbd: Folder ``benchmark_RELEASE``, with ``dataset/cls/*.mat`` in it.
        out: Folder for the PNGs, usually ``VOC2012/SegmentationClassAug``.
        num_processes: Processes that convert.

    Returns:
        Number of names in each list.

    Raises:
        UsageError: A folder or list is not where it belongs, or a listed image has no .mat file.
    """
    lists = devkit / 'VOC2012' / 'ImageSets' / 'Segmentation'
    train, val = read_names(lists / 'train.txt'), read_names(lists / 'val.txt')
    listed = read_names(sbd / 'dataset' / 'train.txt') | read_names(sbd / 'dataset' / 'val.txt')
    mats = {path.stem: path for path in (sbd / 'dataset' / 'cls').glob('*.mat')}
    if listed - mats.keys():
        missing = sorted(listed - mats.keys())
        raise UsageError(
            f'{sbd} lists {len(missing)} images without a .mat file, {missing[0]} for one; '
            'unpack benchmark.tgz again'
        )
    out.mkdir(parents=True, exist_ok=True)
    clear_remains(out)
    jobs = [(mats[name], out / f'{name}.png') for name in sorted(listed)]
    missing = [job for job in jobs if not is_written(job[1])]
    run_jobs(_convert_mat, missing, num_processes, '.mat to PNG')
    # SBD has images of VOC's val: training on them would leak it
    found = dict(aug=listed - train - val, trainaug=(listed | train) - val)
    for name, names in found.items():
        write_names(lists / f'{name}.txt', names)
    return {name: len(names) for name, names in found.items()}


def _convert_mat(job: tuple[Path, Path]) -> None:
    source, target = job
    try:
        mask = loadmat(source)['GTcls'][0]['Segmentation'][0].astype(np.uint8)
    except Exception as error:  # scipy raises nearly anything on a file that was cut off
        raise UsageError(f'{source} does not read: {error}; unpack benchmark.tgz again') from error
    picture = Image.fromarray(mask)
    picture.putpalette(voc_palette().tobytes())
    with replacing(target) as part:
        picture.save(part, 'PNG')
