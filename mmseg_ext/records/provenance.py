"""Where a run comes from: its command, the versions and the machine, the state of the code.

Everything here is made of str, int, float, bool, None, list and dict alone, so that it can be
written as JSON and read from a checkpoint without running code. Names of the host and of the user
are left out.
"""

import hashlib
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device

import mmseg_ext
from mmseg_ext.engine.doctor.stack import installed_versions

FILE = 'provenance.json'
DIFF_FILE = 'git.diff'
GIT_TIMEOUT = 20  # seconds for each call of git, which can hang on a network disk
MAX_CHANGED = 100  # changed files that are named


def versions() -> dict[str, str | None]:
    """Versions of Python, the stack's distributions, NumPy, and torch's CUDA and cuDNN."""
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return {
        'python': platform.python_version(),
        **installed_versions(),
        'mmseg-ext': mmseg_ext.__version__,
        'numpy': np.__version__,
        'cuda': torch.version.cuda,
        'cudnn': None if cudnn is None else str(cudnn),
    }


def device_name() -> str:
    """What this process computes on: the GPU's name, or the processor's."""
    device = get_device()
    if device == 'cuda':
        return torch.cuda.get_device_name()
    return processor_name() if device == 'cpu' else device


def processor_name() -> str:
    """The model of the CPU, as far as the system says it."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    return next(names, platform.processor() or platform.machine())


def git_state(root: Path) -> dict | None:
    """The state of the checkout that holds ``root``; None without one, without git, if git hangs.

    Returns:
        ``commit`` and ``branch`` (None before the first commit, and on no branch); ``dirty``:
        whether tracked files differ from the commit, or there are files that git neither tracks nor
        ignores; ``changed``: the first of these, as ``git status --short`` prints them; and
        ``diff_sha256``: of ``git_diff``, None without a difference.
    """
    status = _git(root, 'status', '--porcelain')
    if status is None:
        return None
    changed, diff = _text(status).splitlines(), git_diff(root)
    return dict(
        commit=_text(_git(root, 'rev-parse', '--quiet', '--verify', 'HEAD')) or None,
        branch=_text(_git(root, 'symbolic-ref', '--quiet', '--short', 'HEAD')) or None,
        dirty=bool(changed),
        changed=changed[:MAX_CHANGED],
        diff_sha256=hashlib.sha256(diff).hexdigest() if diff else None,
    )


def git_diff(root: Path) -> bytes:
    """How the tracked files of the checkout that holds ``root`` differ from its commit."""
    return _git(root, 'diff', '--no-color', '--no-ext-diff', 'HEAD') or b''


def package_git_state() -> dict | None:
    """``git_state`` of this package's checkout; None if it is installed without one."""
    root = Path(mmseg_ext.__file__).parents[1]
    # a virtual environment lies in a checkout often enough, which is not the package's
    return git_state(root) if (root / '.git').exists() else None


def brief(start: dict) -> dict:
    """What the list of a run's starts says of each: when, what, on how many processes, from where.

    Args:
        start: As ``ProvenanceHook`` gathers it.
    """
    git, resumed_from = start['git'] or {}, start['loaded'].get('resume') or {}
    return dict(
        time=start['time'],
        command=start['command'],
        commit=git.get('commit'),
        dirty=git.get('dirty'),
        world_size=start['world_size'],
        resumed_from=resumed_from.get('source'),
        iter=start['iter'],
    )


def _git(root: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(
            ['git', '-C', str(root), *words],
            # looking must not take the lock that a commit in another terminal needs
            env=dict(os.environ, GIT_OPTIONAL_LOCKS='0'),
            capture_output=True,
            check=False,
            timeout=GIT_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git, or a disk that does not answer
        return None
    return done.stdout if done.returncode == 0 else None


def _text(output: bytes | None) -> str:
    return (output or b'').decode(errors='replace').rstrip('\n')
