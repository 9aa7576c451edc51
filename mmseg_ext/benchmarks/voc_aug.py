"""The SBD conversion beside MMSegmentation's own script."""

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import mmseg_ext
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.jobs import run_jobs
from mmseg_ext.prepare.lists import read_names
from mmseg_ext.prepare.masks import read_mask

from .commands import fastest, time_alternately
from .report import describe_machine, describe_timings
from .voc_aug_tree import NUM_DISTINCT, write_tree

OURS = Path(mmseg_ext.__file__).parents[1] / 'tools/dataset_converters/voc_aug.py'
STOCK, NEW = 'MMSegmentation', 'mmseg-ext'

# The script insists on the length of the real list, which a tree of another size has not.
RUN_STOCK = """import sys
sys.path.insert(0, sys.argv.pop(1))
import voc_aug
voc_aug.AUG_LEN = int(sys.argv.pop(1))
voc_aug.main()
"""


def find_stock_script() -> Path:
    """MMSegmentation's script; raises ``UsageError`` if its installation has none."""
    package = Path(importlib.util.find_spec('mmseg').origin).parent
    script = package / '.mim/tools/dataset_converters/voc_aug.py'
    if not script.is_file():
        raise UsageError(f'MMSegmentation was installed without {script}: install its wheel')
    return script


def compare(num_mats: int, num_processes: int, repeats: int) -> dict:
    """Converts one tree with both commands in turn.

    The files are as large as SBD's; there are 60 different masks, which the files share.

    Args:
        num_mats: .mat files in the tree; SBD has 11,355.
        num_processes: Of each command.
        repeats: Rounds; the fastest of each counts.

    Returns:
        The timings of both by name; ``speed``, how many times as fast ours is, by wall time, and
        ``cpu_speed`` by CPU time; whether all pixels and lists are the same; the settings and the
        machine.
    """
    script = find_stock_script()
    with tempfile.TemporaryDirectory(prefix='voc-aug-') as folder:
        root = Path(folder)
        aug_len = write_tree(root, num_mats)
        lists = root / 'VOCdevkit/VOC2012/ImageSets/Segmentation'
        out = {name: root / name for name in (STOCK, NEW)}
        starts = {STOCK: ['-c', RUN_STOCK, script.parent, aug_len], NEW: [OURS]}
        sources = [root / 'VOCdevkit', root / 'benchmark_RELEASE']
        commands = {
            name: [sys.executable, *start, *sources, '--nproc', num_processes, '-o', out[name]]
            for name, start in starts.items()
        }
        found = {}

        def clear(name: str) -> None:
            """Keeps the names that the other command listed, removes what this one wrote."""
            _take_lists(lists, found)
            shutil.rmtree(out[name], ignore_errors=True)

        timings = time_alternately(commands, repeats, clear)
        _take_lists(lists, found)
        jobs = [(mask, out[NEW] / mask.name) for mask in sorted(out[STOCK].iterdir())]
        same = run_jobs(_is_same, jobs, num_processes, 'comparing')
    stock, ours = fastest(timings[STOCK]), fastest(timings[NEW])
    return dict(
        benchmark='voc-aug',
        mats=num_mats,
        distinct_masks=min(NUM_DISTINCT, num_mats),
        nproc=num_processes,
        repeats=repeats,
        timings=describe_timings(timings, num_processes),
        speed=stock.wall / ours.wall,
        cpu_speed=stock.cpu / ours.cpu,
        same_pixels=len(same) == num_mats and all(same),
        same_lists=all(len(n) == 2 * repeats and len(set(n)) == 1 for n in found.values()),
        machine=describe_machine('pillow', 'scipy'),
    )


def _take_lists(folder: Path, found: dict[str, list[frozenset]]) -> None:
    """Removes both lists and remembers the names that they held."""
    for split in ('aug', 'trainaug'):
        file = folder / f'{split}.txt'
        if file.is_file():
            found.setdefault(split, []).append(frozenset(read_names(file)))
            file.unlink()


def _is_same(job: tuple[Path, Path]) -> bool:
    stock, ours = job
    return ours.is_file() and np.array_equal(read_mask(stock), read_mask(ours))
