"""What is installed: which line of the stack, whether it imports, its optional parts."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from .row import Row

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
    rows = []
    if 'mmcv-lite' in versions:
        rows.append(Row('mmcv-lite', 'mmsegmentation does not import with it', 'broken', mend))
    if old_mmseg and _release(versions.get('mmcv', '0')) >= (2, 2):
        found = f'mmsegmentation {versions["mmsegmentation"]} refuses mmcv {versions["mmcv"]}'
        rows.append(Row('mmcv >= 2.2', found, 'broken', mend))
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
        return None, first_line(error)
    if getattr(module, '__file__', None) is None:
        # what an uninstall leaves behind, or a folder of that name beside the script
        return None, f'only a folder without __init__.py: {", ".join(module.__path__)}'
    return module, ''


def first_line(error: Exception) -> str:
    """Type and first line of an error."""
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
    used = Path(__file__).resolve().parents[3]
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
    return _optional_row(
        'torchvision',
        "needed only for torchvision:// weights: pip install -e '.[gpu]'",
        'pip uninstall -y torchvision, or install the torchvision made for this torch',
    )


def simplejpeg_row() -> Row:
    """Whether our loaders have the faster JPEG decoder."""
    return _optional_row(
        'simplejpeg',
        "decodes JPEGs faster: pip install -e '.[fast]'",
        'pip uninstall -y simplejpeg, or install it anew',
    )


def _optional_row(package: str, if_missing: str, if_broken: str) -> Row:
    if importlib.util.find_spec(package) is None:
        return Row(package, 'none', 'ok', if_missing)
    module, error = try_import(package)
    if module:
        return Row(package, module.__version__, 'ok')
    return Row(package, error, 'broken', if_broken)
