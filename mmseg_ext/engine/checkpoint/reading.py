"""Reading checkpoints as tensors and plain data, so that no file runs a program."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from mmseg_ext.engine.errors import UsageError, found_by_all

from .form import check_checkpoint_file
from .numpy_pickles import STAND_INS, unwrap
from .sources import download, find_url

# Under these MMEngine registers loaders that unpickle; the last three fetch what only they can.
PREFIXES = [
    '', 'http://', 'https://', 'modelzoo://', 'torchvision://', 'open-mmlab://', 'openmmlab://',
    'mmcls://', r'(\S+\:)?s3://', r'(\S+\:)?petrel://', 'pavi://',
]  # fmt: skip
STATISTICS = ('min', 'max', 'current', 'mean')


def _statistic(owner: type, name: str) -> Callable:
    """All of ``getattr`` that a HistoryBuffer's pickle needs: its own four statistics."""
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise UnpicklingError('GLOBAL builtins.getattr')
    return getattr(HistoryBuffer, name)


# What a checkpoint may hold beside tensors, numbers, texts, lists, dicts and sets.
ALLOWED = [
    # MMEngine's message_hub: the scalars of the log, and what their pickles look up
    HistoryBuffer,
    (_statistic, 'builtins.getattr'),
    # numbers of NumPy, in HistoryBuffers, metrics and random states
    *STAND_INS,
    # the command line that timm, DeiT, MAE and BEiT keep beside their weights
    argparse.Namespace,
    # index ranges, which MMEngine allows as well
    slice,
]


def read_checkpoint(
    source: str | Path, map_location: str | torch.device | None = 'cpu', unsafe: bool = False
) -> dict:
    """Reads a checkpoint as tensors and plain data.

    The config that mmcv 1.x stored as ``meta['config']`` comes back as ``meta['cfg']``, where later
    versions store it: MMEngine's resume would run the former as Python.

    Args:
        source: File (torch.save's forms, safetensors), http address, ``torchvision://``,
            ``open-mmlab://`` or ``mmcls://``. In a job of several processes an address has to be
            read by all of them.
        map_location: Where tensors go, as for ``torch.load``.
        unsafe: Let the file run what it wants, as plain unpickling does.

    Raises:
        UsageError: There is no such file, it is torn, it holds no dict, or it needs a class or
            function beyond ``ALLOWED`` (named) and ``unsafe`` is off.
    """
    content = _read(str(source), map_location, unsafe)
    if not isinstance(content, dict):
        raise UsageError(f'{source} holds a {type(content).__name__}, not a dict of weights')
    return content


def register_loaders(unsafe: bool) -> None:
    """Makes MMEngine read every checkpoint of this process in this way.

    It holds for ``load_from``, ``resume``, ``init_cfg=dict(type='Pretrained')`` and backbones that
    call ``CheckpointLoader`` themselves.

    Args:
        unsafe: As for ``read_checkpoint``.
    """

    # MMEngine logs this name, its first ten letters cut off
    def load_from_mmseg_ext(filename: str, map_location: Any = None) -> Any:
        return _read(filename, map_location, unsafe)

    CheckpointLoader.register_scheme(PREFIXES, load_from_mmseg_ext, force=True)


def _read(source: str, map_location: Any, unsafe: bool) -> Any:
    url = find_url('checkpoint', source)
    file = download(url) if url else Path(source).expanduser()
    form = check_checkpoint_file('checkpoint', file)
    map_location = map_location or 'cpu'
    if form == 'safetensors':
        from safetensors.torch import load_file

        return load_file(file, device=str(map_location))
    content = _unpickle(file, form, map_location, unsafe)
    meta = content.get('meta') if isinstance(content, dict) else None
    if isinstance(meta, dict) and 'config' in meta:
        meta.setdefault('cfg', meta.pop('config'))
    if source.startswith('mmcls://'):  # a classifier; the name stands for its backbone
        weights = content.get('state_dict', content).items()
        prefix = 'backbone.'
        own = {name[len(prefix) :]: weight for name, weight in weights if name.startswith(prefix)}
        content = dict(state_dict=own)
    return content


def _unpickle(file: Path, form: str, map_location: Any, unsafe: bool) -> Any:
    if not unsafe and form == 'tar':
        raise _refusal(file, 'the tar form of torch < 0.4')
    if not unsafe and form == 'script':
        raise _refusal(file, 'TorchScript')
    with file.open('rb') as handle, torch.serialization.safe_globals(ALLOWED):
        # torch reads a zip faster by its path; of the legacy form we need to know where it stopped
        readable = handle if form == 'legacy' else file
        try:
            content = torch.load(readable, map_location=map_location, weights_only=not unsafe)
            return content if unsafe else unwrap(content)
        except torch.OutOfMemoryError:
            raise
        # bytes that are missing or damaged can fail anywhere in the unpickler
        except Exception as error:
            is_cut_off = form == 'legacy' and not handle.read(1)
            if isinstance(error, UnpicklingError) and not unsafe and not is_cut_off:
                raise _explain(file, str(error)) from error
            reason = f'{type(error).__name__}: {error}'.partition('\n')[0]
            raise UsageError(
                f'{file} cannot be read ({reason}): it was cut off while it was written, or '
                'damaged; take another epoch, or download it again'
            ) from error


def _explain(file: Path, message: str) -> UsageError:
    """What the safe unpickler refused: by name, or else in its own words."""
    needed = re.search(r'GLOBAL (\S+)', message)
    if needed:
        return _refusal(file, needed[1])
    reason = message.rpartition('WeightsUnpickler error:')[2].strip().partition('\n')[0]
    return UsageError(
        f'{file} does not read as tensors and plain data ({reason}): it is damaged, or it needs '
        '--unsafe-load, if you trust its source'
    )


def _refusal(file: Path, needed: str) -> UsageError:
    return found_by_all(
        f'{file} needs {needed}, which is code, not weights; ask for the weights alone '
        '(.safetensors), or pass --unsafe-load if you trust its source'
    )
