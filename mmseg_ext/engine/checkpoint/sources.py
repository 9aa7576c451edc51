"""Where weights come from: a file, an address, or a name that stands for an address."""

import http.client
import importlib
import sys
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.runner import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from mmseg_ext.engine.distributed import raise_together
from mmseg_ext.engine.errors import UsageError, is_local_main
from mmseg_ext.records.files import replacing

from .form import check_checkpoint_file

# The sources that MMEngine knows; '' is a local file.
SCHEMES = ('', 'http', 'https', 'torchvision', 'modelzoo', 'open-mmlab', 'openmmlab', 'mmcls')


def find_url(key: str, source: str) -> str | None:
    """Returns the address that a source stands for; None if it is a local file.

    Args:
        key: Where the source is named, for messages.
        source: A path, an http address, ``torchvision://``, ``open-mmlab://`` or ``mmcls://``.

    Raises:
        UsageError: The scheme or the name is unknown, or ``torchvision://`` is asked for without
            torchvision.
    """
    scheme, _, name = source.rpartition('://')
    if not scheme:
        return None
    if scheme in ('http', 'https'):
        return source
    if scheme not in SCHEMES:
        raise UsageError(f'{key}: {source} cannot be read safely; copy it to a local file')
    if scheme in ('torchvision', 'modelzoo'):
        _check_torchvision(key, source)
        urls = get_torchvision_models()
    elif scheme == 'mmcls':
        urls = get_mmcls_models()
    else:
        urls = get_external_models()
        name = get_deprecated_model_names().get(name, name)
    if name not in urls:
        raise UsageError(f'{key}={source}: no such name among the {len(urls)} of {scheme}://')
    return urls[name]


def cached_file(url: str) -> Path:
    """Where torch keeps what was downloaded from ``url``."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name


def download(url: str) -> Path:
    """Returns the local copy of ``url``; the first process of each machine fetches it if needed.

    In a job of several processes each of them has to call it.

    Raises:
        UsageError: In every process, if the file cannot be fetched or is no checkpoint.
    """
    file = cached_file(url)
    error = None
    if is_local_main() and not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(file) as part:
                torch.hub.download_url_to_file(url, str(part), progress=sys.stderr.isatty())
                # a connection that breaks off leaves a short file and no error
                check_checkpoint_file(url, part)
        except (OSError, http.client.HTTPException) as found:
            error = UsageError(f'{url} cannot be downloaded ({found}); get it elsewhere to {file}')
        except UsageError as found:
            error = found
    raise_together(error)
    return file


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
