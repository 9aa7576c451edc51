"""Whether the weights that a config names can be loaded on this machine."""

import importlib
import importlib.util
import pickle
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.config import Config
from mmengine.runner import get_external_models

from .config import find_dicts
from .errors import UsageError

TIMEOUT = 10  # seconds to reach a server; the download itself has no limit


def check_weights(cfg: Config) -> None:
    """Checks ``load_from`` and, for training, every ``pretrained`` and ``init_cfg`` of the network.

    Raises:
        UsageError: A file is missing or no checkpoint, a server cannot be reached, or
            ``torchvision://`` is asked for without torchvision.
    """
    if cfg.get('load_from'):
        check_source('load_from', cfg.load_from)
    if not cfg.get('train_cfg'):
        return
    model = dict(model=cfg.get('model'))
    for path, node in find_dicts(model, 'pretrained'):
        if node['pretrained']:
            check_source(f'{path}.pretrained', node['pretrained'])
    for path, node in find_dicts(model, 'checkpoint'):
        if node.get('type') == 'Pretrained':
            check_source(f'{path}.checkpoint', node['checkpoint'])


def check_source(key: str, source: str) -> None:
    """Checks one source: a file, an http address, ``torchvision://`` or ``open-mmlab://``.

    Args:
        key: Where the config says it, for messages.
        source: What it says.
    """
    scheme, _, name = str(source).rpartition('://')
    if scheme in ('torchvision', 'modelzoo'):
        _check_torchvision(key, source)
    elif scheme in ('open-mmlab', 'openmmlab'):
        urls = get_external_models()
        if name not in urls:
            raise UsageError(f'{key}={source}: no such name among the {len(urls)} of open-mmlab://')
        _check_url(key, urls[name])
    elif scheme in ('http', 'https'):
        _check_url(key, source)
    elif not scheme:
        check_checkpoint_file(key, source)


def check_checkpoint_file(key: str, file: str) -> None:
    """Raises ``UsageError`` unless ``file`` has the outer form of a PyTorch checkpoint.

    Nothing is unpickled: a zip archive with a ``data.pkl`` in it, the older pickled form, or
    safetensors (8 bytes of header length, then JSON).
    """
    path = Path(file).expanduser()
    if not path.is_file():
        near = sorted(path.parent.glob('*.pth'))[-3:] if path.parent.is_dir() else []
        there = f'; there are {", ".join(str(n) for n in near)}' if near else ''
        raise UsageError(f'{key}: no checkpoint at {file}{there}')
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            whole = any(Path(member).name == 'data.pkl' for member in archive.namelist())
    else:
        with path.open('rb') as handle:
            head = handle.read(16)
        legacy = head[:1] == pickle.PROTO and bytes.fromhex('6cfc9c46f9206aa85019') in head
        is_safetensors = head[8:9] == b'{'
        if is_safetensors and not importlib.util.find_spec('safetensors'):
            raise UsageError(f'{key}: {file} needs safetensors: pip install safetensors')
        whole = legacy or is_safetensors
    if not whole:
        size = path.stat().st_size
        raise UsageError(
            f'{key}: {file} ({size:,} bytes) is no PyTorch checkpoint, or was cut off while it was '
            'written; take another epoch, or download it again'
        )


def _check_torchvision(key: str, source: str) -> None:
    try:
        importlib.import_module('torchvision')
    except (ImportError, RuntimeError) as error:
        # RuntimeError: torchvision beside a CPU build of torch misses its operators
        raise UsageError(
            f'{key}={source} needs torchvision, which does not import here ({error}); '
            "install it with pip install -e '.[gpu]', or name a local file, or train from scratch "
            'with None'
        ) from error


def _check_url(key: str, url: str) -> None:
    cached = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name
    if cached.is_file():
        return
    request = urllib.request.Request(url, method='HEAD')
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            pass
    except OSError as error:  # URLError and TimeoutError are such
        if isinstance(error, urllib.error.HTTPError) and error.code not in (404, 410):
            return  # the server is there; some refuse HEAD
        raise UsageError(
            f'{key}: {url} cannot be reached ({error}); download it elsewhere and put it at '
            f'{cached}, or train from scratch with None'
        ) from error
