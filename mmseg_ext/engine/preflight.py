"""Checks of a config before anything is written: what would fail later fails here, in one line."""

import importlib.util
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, TRANSFORMS

from .config import find_dicts
from .errors import UsageError, is_local_main
from .weights import check_weights

# Label files read per dataset, spread evenly; LabelRangeHook sees the rest as they are loaded.
MAX_LABELS = 500

# Stock classes that call mmcv's compiled ops, which the pure-Python mmcv wheel leaves out.
NEEDS_OPS = {
    'CCHead': 'a head that needs none',
    'DCN': 'a convolution that needs none',
    'DCNv2': 'a convolution that needs none',
    'FocalLoss': 'another loss, CrossEntropyLoss for one',
    'PSAHead': 'a head that needs none',
    'PointHead': 'a head that needs none',
}

# The way to data that is missing, by what its path contains; the first that fits.
PREPARE = {
    'SegmentationClassAug': 'run python tools/dataset_converters/voc_aug.py DEVKIT SBD',
    'aug.txt': 'run python tools/dataset_converters/voc_aug.py DEVKIT SBD',
    'demo': 'run python tools/dataset_converters/demo.py',
    'VOC': 'README.md, "Data", says where VOC 2012 comes from and where it goes',
    'ADEChallenge': 'README.md, "Data", says where ADE20K comes from and where it goes',
    'camvid': 'README.md, "Data", says where CamVid comes from and where it goes',
}


def check(cfg: Config) -> None:
    """Checks whatever the config will use: its classes, weights, data and labels.

    A config without ``train_dataloader`` is checked for evaluation only. The checks that read files
    run in one process a machine.

    Raises:
        UsageError: What is wrong first, and the way out.
    """
    check_ops(cfg)
    if not is_local_main():
        return
    check_weights(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
        for split in ('train', 'val', 'test'):
            loader = cfg.get(f'{split}_dataloader')
            if loader:
                check_data(split, loader['dataset'], cfg.get('model') or {})


def check_ops(cfg: Config) -> None:
    """Raises ``UsageError`` if a class needs mmcv's compiled ops and this install has none."""
    if importlib.util.find_spec('mmcv._ext'):
        return
    for path, node in find_dicts(dict(model=cfg.get('model')), 'type'):
        name = str(node['type']).removeprefix('mmseg.').removeprefix('mmcv.')
        if name in NEEDS_OPS:
            raise UsageError(
                f"{path}: stock {name} needs mmcv's compiled ops, which this install lacks; "
                f'use {NEEDS_OPS[name]}, or build the ops (README.md, "The stack")'
            )


def check_data(split: str, dataset: dict, model: dict) -> None:
    """Checks the folders, lists, files and labels of one loader's dataset, wrappers included.

    Args:
        split: ``train``, ``val`` or ``test``, for messages.
        dataset: Its config.
        model: Config of the network, which gives the number of classes.

    Raises:
        UsageError: Something is missing, empty, or holds a label outside the classes.
    """
    for path, node in find_dicts(dict({f'{split}_dataloader': dict(dataset=dataset)}), 'type'):
        kind = DATASETS.get(node['type'])
        if not (isinstance(kind, type) and issubclass(kind, BaseDataset)):
            continue
        _check_paths(path, node)
        # not serialised, which would fail on an empty list
        built = DATASETS.build(dict(node, pipeline=[], serialize_data=False))
        if len(built) == 0:
            raise UsageError(f'{path} holds no image: {_describe(node)}')
        _check_labels(path, node, built, model)
        print_log(f'{split}: {len(built)} images, {_describe(node)}', logger='current')


def label_range(model: dict) -> tuple[int, int] | None:
    """Number of classes and the ignored label of a network's config; None if it names no classes.

    For a TTA model the wrapped network's. Heads in a cascade share their classes: the last counts.
    """
    model = model.get('module') or model
    head = model.get('decode_head') or {}
    head = head[-1] if isinstance(head, (list, tuple)) else head
    if 'num_classes' not in head:
        return None
    return head['num_classes'], head.get('ignore_index', 255)


def _describe(node: dict) -> str:
    return ' '.join(
        str(part)
        for part in (node.get('type'), node.get('data_root'), node.get('ann_file'))
        if part
    )


def _check_paths(path: str, node: dict) -> None:
    root = Path(node.get('data_root') or '')
    wanted = {'data_root': root}
    if node.get('ann_file'):
        wanted['ann_file'] = root / node['ann_file']
    prefixes = node.get('data_prefix') or {}
    wanted.update({f'data_prefix.{key}': root / value for key, value in prefixes.items() if value})
    for key, place in wanted.items():
        if not place.exists():
            hints = (hint for mark, hint in PREPARE.items() if mark in str(place))
            way_out = next(hints, 'check the path')
            raise UsageError(f'{path}.{key}: there is no {place}; {way_out}')


def _check_labels(path: str, node: dict, dataset: BaseDataset, model: dict) -> None:
    chosen = np.unique(np.linspace(0, len(dataset) - 1, MAX_LABELS).round().astype(int))
    infos = [dataset.get_data_info(int(index)) for index in chosen]
    for info in infos:
        for key in ('img_path', 'seg_map_path'):
            if info.get(key) and not Path(info[key]).is_file():
                raise UsageError(f'{path} names {info[key]}, which does not exist')
    loaders = [step for step in node['pipeline'] if str(step['type']).endswith('LoadAnnotations')]
    limits = label_range(model)
    if not loaders or not limits or 'seg_map_path' not in infos[0]:
        return
    load = TRANSFORMS.build(loaders[0])
    num_classes, ignore_index = limits
    for info in infos:
        values = np.bincount(load(info)['gt_seg_map'].ravel())
        if values[num_classes:].any():
            _check_values(info['seg_map_path'], np.flatnonzero(values), num_classes, ignore_index)


def _check_values(file: str, values: np.ndarray, num_classes: int, ignore_index: int) -> None:
    outside = [int(v) for v in values if v >= num_classes and v != ignore_index]
    if outside:
        raise UsageError(
            f'{file} holds label {outside[0]}; the network has {num_classes} classes, '
            f'so 0 to {num_classes - 1} and {ignore_index} (ignored) are allowed'
        )
