"""Whether a converted VOC 2012 and SBD tree is what its sources make."""

from pathlib import Path

import numpy as np

from mmseg_ext.engine.errors import UsageError

from .jobs import run_jobs
from .lists import find_list_faults
from .masks import read_mask
from .voc_aug import Job, list_jobs, load_labels
from .voc_aug_sources import Sources

# a conversion keeps masks that are whole
MEND = 'delete it and convert again'


def check(sources: Sources, out: Path, num_processes: int) -> list[str]:
    """Compares every mask with its source, pixel by pixel, and the lists with what they should be.

    Args:
        sources: Of ``read_sources``.
        out: Folder of the masks.
        num_processes: Processes that compare.

    Returns:
        A line for each fault: a list or mask that is missing, torn, different or too many, and
        sources that are themselves at fault.
    """
    faults = []
    for split, names in sources.lists.items():
        faults += find_list_faults(sources.list_folder / f'{split}.txt', names, sources.val)
    if not out.is_dir():
        return [*faults, f'there is no folder {out}']
    jobs = list_jobs(sources, out)
    found = run_jobs(_find_fault, jobs, num_processes, 'comparing')
    faults += [fault for fault in found if fault]
    expected = {mask for _, mask, _ in jobs}
    extra = sorted(set(out.iterdir()) - expected)
    return faults + [f'{path} belongs to no image of the lists' for path in extra]


def _find_fault(job: Job) -> str | None:
    source, mask, image = job
    if not mask.is_file():
        return f'{mask} is missing'
    try:
        expected, labels = load_labels(source, image), read_mask(mask)
    except UsageError as error:
        return str(error)
    if labels.shape != expected.shape:
        return f'{mask} has shape {labels.shape}, {source} {expected.shape}; {MEND}'
    differing = np.count_nonzero(labels != expected)
    return f'{mask} differs from {source} in {differing:,} pixels; {MEND}' if differing else None
