"""Checksums of what a run reads: its data lists and folders, and the weights that it loads."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.config import Config
from mmengine.runner import get_external_models, get_torchvision_models

from mmseg_ext.engine.config import find_dicts


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def list_files(folder: Path, below: str = '') -> Iterator[tuple[str, int]]:
    """Yields path within the folder and size of each file below it; hidden ones are left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir():
                yield from list_files(folder / entry.name, f'{below}{entry.name}/')
            elif entry.is_file():
                yield f'{below}{entry.name}', entry.stat().st_size


def folder_checksum(folder: Path) -> dict:
    """One sum over the names and sizes of the files below a folder; their content is not read.

    Hidden files are left out, as MMSegmentation leaves them out of a data set. A file that is
    replaced by another of the same name and size goes unnoticed.

    Returns:
        ``files`` and ``bytes``, and ``sha256`` of the lines ``NAME<tab>SIZE``, in order of names.
    """
    files = sorted(list_files(folder))
    lines = ''.join(f'{name}\t{size}\n' for name, size in files)
    return dict(
        files=len(files),
        bytes=sum(size for _, size in files),
        sha256=hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest(),
    )


def data_checksums(cfg: Config) -> dict[str, dict]:
    """What the datasets of the training and the validation loader, wrappers included, consist of.

    Covered are the content of the list, and the names and sizes in the image and label folders
    (``folder_checksum``). A dataset with neither, or with a CSV file of paths and no prefix, is
    covered by its ``data_root``. Data on a server is not looked at. What cannot be summed is said
    and ends no run: a dataset class of the user's own may give these names other meanings (a list
    of lists, one prefix for all), or its folder may be closed to us or lead back into itself.

    Returns:
        By the dataset's dotted path in the config: ``type``, ``data_root``, ``ann_file`` (its path,
        ``names`` and ``sha256``) and ``folders`` by the name of their prefix; or ``error``, where
        that failed.
    """
    loaders = {name: cfg.get(name) or {} for name in ('train_dataloader', 'val_dataloader')}
    datasets = {name: dict(dataset=loader.get('dataset')) for name, loader in loaders.items()}
    sums, folders = {}, {}
    for path, node in find_dicts(datasets, 'type'):
        is_dataset = any(key in node for key in ('data_root', 'ann_file', 'data_prefix'))
        if is_dataset and '.pipeline[' not in path:
            sums[path] = dict(
                type=str(node.get('type')), data_root=str(node.get('data_root') or '')
            )
            try:
                sums[path].update(_dataset_checksums(node, folders))
            except (AttributeError, TypeError, OSError, ValueError) as error:
                sums[path]['error'] = f'{type(error).__name__}: {error}'
    return sums


def weight_sources(cfg: Config) -> dict[str, str]:
    """Where the config takes weights from: ``load_from``, each ``init_cfg`` and ``pretrained``.

    Returns:
        By the dotted path of the setting, what it says.
    """
    model = dict(model=cfg.get('model'))
    found = {'load_from': cfg.get('load_from')}
    for path, node in find_dicts(model, 'pretrained'):
        # timm's is a switch
        if isinstance(node['pretrained'], str):
            found[f'{path}.pretrained'] = node['pretrained']
    for path, node in find_dicts(model, 'checkpoint'):
        if node.get('type') == 'Pretrained':
            found[f'{path}.checkpoint'] = node['checkpoint']
    return {key: str(source) for key, source in found.items() if source}


def loaded_files(sources: dict[str, str]) -> dict[str, dict]:
    """Size and checksum of each file that weights were loaded from.

    Args:
        sources: By a name, a path or an address (``http``, ``torchvision://``, ``open-mmlab://``),
            for which the file that the download left in torch's cache counts.

    Returns:
        By the name: ``source``, ``bytes`` and ``sha256``; the last two None without a local file.
    """
    known, loaded = {}, {}
    for name, source in sources.items():
        if source not in known:
            path = _local_file(source)
            there = path is not None and path.is_file()
            known[source] = dict(
                source=source,
                bytes=path.stat().st_size if there else None,
                sha256=sha256(path) if there else None,
            )
        loaded[name] = known[source]
    return loaded


def _dataset_checksums(node: dict, folders: dict[Path, dict]) -> dict:
    """Sums of one dataset's config; ``folders`` holds those already looked at."""
    sums, data_root = {}, str(node.get('data_root') or '')
    if node.get('backend_args') or '://' in data_root:
        return sums
    root = Path(data_root)
    if node.get('ann_file'):
        path = root / node['ann_file']
        sums['ann_file'] = dict(path=str(path))
        if path.is_file():
            names = sum(bool(line.strip()) for line in path.read_bytes().splitlines())
            names -= path.suffix == '.csv'  # its header
            sums['ann_file'].update(names=names, sha256=sha256(path))
    prefixes = node.get('data_prefix') or {}
    places = {key: root / prefix for key, prefix in prefixes.items() if prefix}
    # the paths in a CSV file are below the root
    if not places and (not node.get('ann_file') or str(node['ann_file']).endswith('.csv')):
        places = dict(data_root=root)
    sums['folders'] = {}
    for key, place in places.items():
        if place not in folders:
            folders[place] = folder_checksum(place) if place.is_dir() else {}
        sums['folders'][key] = dict(path=str(place), **folders[place])
    return sums


def _local_file(source: str) -> Path | None:
    scheme, _, name = source.rpartition('://')
    if scheme in ('torchvision', 'modelzoo'):
        url = get_torchvision_models().get(name, '')
    elif scheme in ('open-mmlab', 'openmmlab'):
        url = get_external_models().get(name, '')
    elif scheme in ('http', 'https'):
        url = source
    else:
        return None if scheme else Path(source).expanduser()
    file = Path(urlparse(url).path).name
    return Path(torch.hub.get_dir()) / 'checkpoints' / file if file else None
