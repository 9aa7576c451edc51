"""Whether the weights that a config names can be loaded on this machine."""

import urllib.error
import urllib.request
from pathlib import Path

from mmengine.config import Config

from .checkpoint.form import check_checkpoint_file
from .checkpoint.sources import SCHEMES, cached_file, find_url
from .config import find_configs, find_dicts
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
        # timm's is a switch
        if isinstance(node['pretrained'], str):
            check_source(f'{path}.pretrained', node['pretrained'])
    for path, node in find_dicts(model, 'checkpoint'):
        if node.get('type') == 'Pretrained':
            check_source(f'{path}.checkpoint', node['checkpoint'])


def check_source(key: str, source: str) -> None:
    """Checks one source: a file, an address, ``torchvision://``, ``open-mmlab://`` or ``mmcls://``.

    Args:
        key: Where the config says it, for messages.
        source: What it says. Another scheme is left to the loader that the user registered.
    """
    source = str(source)
    if source.rpartition('://')[0] not in SCHEMES:
        return
    url = find_url(key, source)
    if url:
        _check_url(key, url)
        return
    try:
        check_checkpoint_file(key, source)
    except UsageError as error:
        if Path(source).expanduser().exists():
            raise
        raise UsageError(f'{error}; {_way_to(Path(source))}') from error


def _way_to(file: Path) -> str:
    """What makes a checkpoint that is missing."""
    # a run leaves its checkpoints in a folder of its leaf's name
    for leaf in find_configs(Path('configs')):
        if leaf.stem == file.parent.name:
            return f'python tools/train.py {leaf} makes it'
    return 'docs/weights.md says how to make one'


def _check_url(key: str, url: str) -> None:
    cached = cached_file(url)
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
