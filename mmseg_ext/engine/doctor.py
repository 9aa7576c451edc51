"""The stack and the machine, row by row: what was found, whether training can run, how to mend it.

Only the standard library is imported here, and whatever is examined inside the function that does
so: the doctor has to speak in installs where everything else is broken.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

# The modules of the stack and the distributions that bring them, the maintained line's first. Each
# comes after those it imports, so that a failure is put down to the module that caused it.
STACK = {
    'torch': ('torch',),
    'cv2': (
        'opencv-python',
        'opencv-python-headless',
        'opencv-contrib-python',
        'opencv-contrib-python-headless',
    ),
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
    'mmseg_ext': ('mmseg-ext',),
}
# What pulls in the rest of a package whose __init__ imports next to nothing.
WHOLE = {'mmseg': 'mmseg.apis', 'mmseg_ext': 'mmseg_ext.engine.runner'}
TWO_LINES = ('mmengine', 'mmcv', 'mmseg')
INSTALL = 'pip install -c constraints.txt -e .'
GIB = 2**30


class Row(NamedTuple):
    """One line of the report.

    Attributes:
        what: The thing examined.
        found: Its version, its size, or the error it gives.
        state: ``ok``; ``info``, absent but only some configs need it; ``warning``; or ``broken``,
            training cannot run.
        mend: The way out, where there is something to mend.
    """

    what: str
    found: str
    state: str
    mend: str = ''


class DataSet(NamedTuple):
    """A data set as a file of ``configs/_base_/datasets`` names it: its root, and parts of that."""

    name: str
    root: str
    parts: tuple[str, ...]
    mend: str


VOC_PARTS = (
    'JPEGImages',
    'SegmentationClass',
    'ImageSets/Segmentation/train.txt',
    'ImageSets/Segmentation/val.txt',
)
README = 'README.md, "Data", says where it comes from'
DATA_SETS = (
    DataSet(
        'demo',
        'data/demo/VOCdevkit/VOC2012',
        VOC_PARTS,
        'python tools/dataset_converters/demo.py',
    ),
    DataSet('VOC 2012', 'data/VOCdevkit/VOC2012', VOC_PARTS, README),
    DataSet(
        'VOC aug',
        'data/VOCdevkit/VOC2012',
        (*VOC_PARTS, 'SegmentationClassAug', 'ImageSets/Segmentation/aug.txt'),
        'python tools/dataset_converters/voc_aug.py DEVKIT SBD',
    ),
    DataSet(
        'ADE20K',
        'data/ade/ADEChallengeData2016',
        (
            'images/training',
            'annotations/training',
            'images/validation',
            'annotations/validation',
        ),
        README,
    ),
    DataSet(
        'CamVid',
        'data/camvid',
        ('images/train', 'annotations/train', 'images/val', 'annotations/val'),
        README,
    ),
)


def examine(root: Path) -> list[Row]:
    """Examines the install, the machine and the data.

    Args:
        root: The checkout whose ``constraints.txt`` and ``data`` count.
    """
    versions = installed_versions()
    pins = read_pins(root, versions)
    rows = [python_row(), *line_rows(versions, pins), *import_rows(versions, pins)]
    rows += [*checkout_rows(root), ops_row(pins)]
    torch, _ = try_import('torch')
    if torch:
        rows += [torchvision_row(), *gpu_rows(torch), distributed_row(torch)]
    work_dirs = Path('work_dirs')
    rows.append(disk_row(work_dirs if work_dirs.exists() else Path('.')))
    rows += shared_memory_rows(Path('/dev/shm'))
    return rows + [data_row(root, data_set) for data_set in DATA_SETS]


def python_row(version: tuple[int, ...] = sys.version_info[:3]) -> Row:
    """The Python that runs this."""
    found = '.'.join(map(str, version))
    if version < (3, 10):
        return Row('Python', found, 'broken', 'make an environment with Python 3.10 or newer')
    return Row('Python', found, 'ok')


def installed_versions() -> dict[str, str]:
    """Versions of the stack's installed distributions."""
    versions = {}
    for name in (name for names in STACK.values() for name in names):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def read_pins(root: Path, versions: dict[str, str]) -> dict[str, str]:
    """What to ask pip for, by distribution: ``constraints.txt`` first, else what is installed."""
    file = root / 'constraints.txt'
    text = file.read_text() if file.is_file() else ''
    pinned = dict(re.findall(r'^([\w-]+)==(\S+)', text, re.MULTILINE))
    names = (name for names in STACK.values() for name in names)
    known = {**versions, **pinned}
    return {name: f'{name}=={known[name]}' if name in known else name for name in names}


def reinstall_line(pins: dict[str, str]) -> str:
    """The command that leaves the maintained line alone in an environment."""
    ours = ' '.join(pins[STACK[module][0]] for module in TWO_LINES)
    theirs = ' '.join(name for module in TWO_LINES for name in STACK[module][1:])
    return f'pip uninstall -y {theirs} && pip install --force-reinstall --no-deps {ours}'


def line_rows(versions: dict[str, str], pins: dict[str, str]) -> list[Row]:
    """Which line of the OpenMMLab stack is installed, and combinations known to fail.

    Distributions of both lines install into the same folders: whichever came last has overwritten
    files of the other.
    """
    ours = _present([STACK[module][0] for module in TWO_LINES], versions)
    theirs = _present([name for module in TWO_LINES for name in STACK[module][1:]], versions)
    each = [_present(STACK[module], versions) for module in TWO_LINES]
    doubled = [' beside '.join(present) for present in each if len(present) > 1]
    mend = reinstall_line(pins)
    if not ours and not theirs:
        return [Row('line', 'neither onedl-mmengine nor mmengine', 'broken', INSTALL)]
    if doubled:
        return [Row('line', f'mixed: {", ".join(doubled)}', 'broken', mend)]
    if ours and theirs:
        return [Row('line', f'mixed, untested: {", ".join(ours + theirs)}', 'warning', mend)]
    if ours:
        return [Row('line', 'maintained', 'ok')]
    return [Row('line', 'OpenMMLab', 'ok'), *_known_failures(versions, mend)]


def _present(names: Sequence[str], versions: dict[str, str]) -> list[str]:
    return [f'{name} {versions[name]}' for name in names if name in versions]


def _known_failures(versions: dict[str, str], mend: str) -> list[Row]:
    old_mmseg = _release(versions.get('mmsegmentation', '9')) <= (1, 2, 2)
    old_mmengine = _release(versions.get('mmengine', '9')) <= (0, 10, 7)
    rows = []
    if 'mmcv-lite' in versions:
        rows.append(Row('mmcv-lite', 'mmsegmentation does not import with it', 'broken', mend))
    if old_mmseg and _release(versions.get('mmcv', '0')) >= (2, 2):
        found = f'mmsegmentation {versions["mmsegmentation"]} refuses mmcv {versions["mmcv"]}'
        rows.append(Row('mmcv >= 2.2', found, 'broken', mend))
    if old_mmengine and _release(versions.get('torch', '0')) >= (2, 6):
        found = f'mmengine {versions["mmengine"]} cannot read its own checkpoints'
        rows.append(Row('torch >= 2.6', found, 'warning', mend))
    return rows


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', version)[:3])


def try_import(name: str) -> tuple[ModuleType | None, str]:
    """Imports a module; in its place, the first line of the error if that fails."""
    try:
        # mmcv without its ops warns of mmcv-lite, whether or not that is installed
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            module = importlib.import_module(name)
    except Exception as error:
        return None, _first_line(error)
    if getattr(module, '__file__', None) is None:
        # what an uninstall leaves behind, or a folder of that name beside the script
        return None, f'only a folder without __init__.py: {", ".join(module.__path__)}'
    return module, ''


def _first_line(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.strip().partition('\n')[0]


def import_rows(versions: dict[str, str], pins: dict[str, str]) -> list[Row]:
    """Whether each module of the stack imports, and the distribution it comes from."""
    rows, culprits = [], {}
    for module, names in STACK.items():
        imported, error = try_import(WHOLE.get(module, module))
        if imported:
            found = _present(names, versions)
            if module == 'torch':
                cuda = imported.version.cuda
                found.append(f'built for CUDA {cuda}' if cuda else 'CPU build')
            rows.append(Row(module, ', '.join(found), 'ok'))
            continue
        culprit = culprits.setdefault(error, module)
        if culprit == module:
            mend = import_mend(module, error, versions, pins)
            rows.append(Row(module, error, 'broken', mend))
        else:
            rows.append(Row(module, f'fails with {culprit}', 'broken', f'as for {culprit}'))
    return rows


def import_mend(module: str, error: str, versions: dict[str, str], pins: dict[str, str]) -> str:
    """The way out of a failed import.

    Args:
        module: What was imported.
        error: First line of the error.
        versions: What is installed.
        pins: What to ask pip for.
    """
    missing = re.search(r"No module named '(\w+)", error)
    installed = [name for name in STACK[module] if name in versions]
    if 'libGL' in error:
        return (
            'apt-get install libgl1, or without root: pip uninstall -y opencv-python && '
            'pip install opencv-python-headless'
        )
    if missing and missing[1] not in STACK:
        return f'pip install {missing[1]}'
    if not installed or module == 'mmseg_ext':
        return INSTALL
    if 'mmcv._ext' in error and 'onedl-mmcv' in versions:
        return build_ops(pins)
    if module in TWO_LINES and STACK[module][0] not in installed:
        return reinstall_line(pins)
    return f'pip install --force-reinstall --no-deps {pins[installed[0]]}'


def checkout_rows(root: Path) -> list[Row]:
    """A warning if the ``mmseg_ext`` that Python imports is not the one of this checkout."""
    used = Path(__file__).resolve().parents[2]
    if used == root.resolve():
        return []
    mend = f'{INSTALL} in {root}; until then changes to its mmseg_ext have no effect'
    return [Row('checkout', f'mmseg_ext is imported from {used}', 'warning', mend)]


def ops_row(pins: dict[str, str]) -> Row:
    """Whether mmcv has its compiled ops, which no config of ours needs."""
    try:
        built = importlib.util.find_spec('mmcv._ext') is not None
    except Exception:
        built = False
    if built:
        return Row('mmcv ops', 'compiled', 'ok')
    mend = f'not needed; to build them (20 minutes): {build_ops(pins)}'
    return Row('mmcv ops', 'none', 'ok', mend)


def build_ops(pins: dict[str, str]) -> str:
    """The command that compiles mmcv's ops for the torch of this environment."""
    # without --no-cache-dir pip would install the pure-Python wheel that it made before
    options = '--force-reinstall --no-deps --no-cache-dir --no-build-isolation'
    return f'pip install {options} {pins["onedl-mmcv"]}'


def torchvision_row() -> Row:
    """Whether torchvision, if there is one, imports: mmengine lists its version at every start."""
    if importlib.util.find_spec('torchvision') is None:
        mend = "needed only for torchvision:// weights: pip install -e '.[gpu]'"
        return Row('torchvision', 'none', 'ok', mend)
    torchvision, error = try_import('torchvision')
    if torchvision:
        return Row('torchvision', torchvision.__version__, 'ok')
    mend = 'pip uninstall -y torchvision, or install the torchvision made for this torch'
    return Row('torchvision', error, 'broken', mend)


def gpu_rows(torch: ModuleType) -> list[Row]:
    """Each CUDA device, tried with one addition; a warning if there is none."""
    count = torch.cuda.device_count()
    if count:
        return [_gpu_row(torch, index) for index in range(count)]
    mend = 'enough for the demo; real data sets ask for a CUDA GPU'
    driver = shutil.which('nvidia-smi')
    if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
        mend = 'unset CUDA_VISIBLE_DEVICES, which hides every GPU'
    elif driver and torch.version.cuda:
        mend = (
            f'nvidia-smi exists but torch sees no GPU: update the driver until nvidia-smi names '
            f'CUDA {torch.version.cuda} or newer, or give the container its GPUs (docker --gpus)'
        )
    elif driver:
        mend = 'nvidia-smi exists but this torch is a CPU build: install a CUDA build of torch'
    return [Row('GPU', 'none: training runs on the CPU', 'warning', mend)]


def _gpu_row(torch: ModuleType, index: int) -> Row:
    what = f'GPU {index}'
    try:
        device = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        torch.ones(1, device=f'cuda:{index}').add(1).item()
    except RuntimeError as error:
        mend = (
            'leave it out with CUDA_VISIBLE_DEVICES, or install a torch that is built for this '
            'card and driver'
        )
        return Row(what, _first_line(error), 'broken', mend)
    # tensor cores take fp16 from compute capability 7.0 on, bf16 from 8.0 on
    amp = 'fp16 and bf16' if device.major >= 8 else 'fp16' if device.major == 7 else 'no gain'
    memory = f'{total / GIB:.1f} GiB ({free / GIB:.1f} free)'
    return Row(what, f'{device.name}, {memory}, AMP: {amp}', 'ok')


def distributed_row(torch: ModuleType) -> Row:
    """The backend that several processes would talk over."""
    distributed = torch.distributed
    if torch.cuda.device_count() and distributed.is_available() and distributed.is_nccl_available():
        return Row('distributed', 'NCCL', 'ok')
    if not distributed.is_available() or not distributed.is_backend_available('gloo'):
        return Row('distributed', 'no backend', 'broken', 'install a torch with gloo or NCCL')
    if torch.cuda.device_count() > 1:
        mend = 'training on more than one GPU needs NCCL, which torch has on Linux'
        return Row('distributed', 'gloo', 'warning', mend)
    return Row('distributed', 'gloo', 'ok')


def disk_row(folder: Path) -> Row:
    """Room for checkpoints and logs, where they go."""
    free = shutil.disk_usage(folder).free / GIB
    state = 'ok' if free >= 10 else 'warning' if free >= 1 else 'broken'
    mend = 'free some, or make work_dirs a link to a larger disk'
    return Row('disk', f'{free:.1f} GiB free for work_dirs', state, mend if state != 'ok' else '')


def shared_memory_rows(folder: Path) -> list[Row]:
    """Room for the batches that loader workers hand over; no row where there is no such folder."""
    if not folder.is_dir():
        return []
    size = shutil.disk_usage(folder).total / GIB
    what, found = str(folder), f'{size:.2f} GiB for loader workers'
    if size >= 1:
        return [Row(what, found, 'ok')]
    mend = 'they may die of a bus error: docker run --shm-size=8g, or num_workers=0'
    return [Row(what, found, 'warning', mend)]


def data_row(root: Path, data_set: DataSet) -> Row:
    """Whether a data set is where the configs look for it."""
    folder = Path(data_set.root)
    for place in (folder, *(folder / part for part in data_set.parts)):
        if not (root / place).exists():
            return Row(data_set.name, f'no {place}', 'info', data_set.mend)
    return Row(data_set.name, str(folder), 'ok')


def to_json(rows: list[Row]) -> str:
    """The rows as a JSON list, for bug reports."""
    return json.dumps([row._asdict() for row in rows], indent=2)


def print_rows(rows: list[Row]) -> None:
    """Prints the rows as a table, then what to mend, unwrapped for copying, and the verdict."""
    try:
        _print_table(rows)
    except ImportError:
        for row in rows:
            print(f'{row.state:8}{row.what}: {row.found}' + (f' -> {row.mend}' if row.mend else ''))
    print()
    broken = [row for row in rows if row.state == 'broken' and not row.mend.startswith('as for ')]
    for mend in dict.fromkeys(row.mend for row in broken):
        print(f'mend: {mend}')
    print(verdict(rows))


def _print_table(rows: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {'ok': 'green', 'info': 'cyan', 'warning': 'yellow', 'broken': 'bold red'}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column('what', no_wrap=True)
    table.add_column('found', overflow='fold')
    table.add_column('state', no_wrap=True)
    table.add_column('how to mend', overflow='fold')
    for row in rows:
        # Text, because rich would take the [gpu] of a command for markup
        table.add_row(
            Text(row.what), Text(row.found), Text(row.state, styles[row.state]), Text(row.mend)
        )
    # piped into a file there is no width to ask for
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    Console(width=width).print(table)


def can_train(rows: list[Row]) -> bool:
    """Whether nothing is broken."""
    return all(row.state != 'broken' for row in rows)


def verdict(rows: list[Row]) -> str:
    """One line: whether training can run."""
    broken = [row.what for row in rows if row.state == 'broken']
    if broken:
        return f'training cannot run here; broken: {", ".join(broken)}'
    warnings = [row.what for row in rows if row.state == 'warning']
    return 'training can run here' + (f'; warnings: {", ".join(warnings)}' if warnings else '')
