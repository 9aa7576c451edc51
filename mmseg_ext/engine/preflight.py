"""Checks of a config before anything is written: what would fail later fails here, in one line."""

import difflib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import DefaultScope, Registry
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from mmseg_ext.datasets.bad_samples import is_of_code, name_error

from .batch_checks import check_batches
from .class_names import name_twice
from .config import class_of, find_dicts
from .errors import UsageError, is_local_main
from .guards import read_guards
from .labels import bad_label, find_heads, label_range
from .monitor_checks import check_monitors
from .optim_checks import check_schedule
from .overlap import Part, check_overlap, make_part
from .pipeline_checks import check_pipelines
from .test_cfg_checks import check_test_cfg
from .weights import check_weights

# Label files read per dataset, spread evenly; LabelRangeHook sees the rest as they are loaded.
MAX_LABELS = 500

# Stock classes that call mmcv's compiled ops, which the pure-Python mmcv wheel leaves out.
NEEDS_OPS = {
    'CCHead': 'a head that needs none',
    'DCN': 'a convolution that needs none',
    'DCNv2': 'a convolution that needs none',
    'FocalLoss': 'mmseg_ext.FocalLoss',
    'PSAHead': 'a head that needs none',
    'PointHead': 'a head that needs none',
    'SideAdapterCLIPHead': 'a head that needs none',
}

DOWNLOAD = 'python tools/dataset_converters/download.py'
# The way to data that is missing, by what its path or its class contains; the first that fits.
PREPARE = {
    'segmentationclassaug': f'run {DOWNLOAD} sbd, or voc_aug.py DEVKIT SBD',
    'aug.txt': f'run {DOWNLOAD} sbd, or voc_aug.py DEVKIT SBD',
    'demo': 'run python tools/dataset_converters/demo.py',
    'coco': 'run python tools/dataset_converters/coco_voc.py COCO',
    'voc': f'run {DOWNLOAD} voc; to try it without, run '
    'python tools/dataset_converters/demo.py and set data_root=data/demo/VOCdevkit/VOC2012',
    'ade20k_20': 'the full ADE20K has thousands of classes; run python '
    'tools/dataset_converters/ade20k_full.py FULL OUT and set data_root=OUT',
    'ade20k': f'run {DOWNLOAD} ade20k; README.md, "Data", has the full release',
    'camvid': 'README.md, "Data", says where CamVid comes from and where it goes',
}

# what a test set whose truth is missing can still be used for
WITHOUT_TRUTH = (
    'to predict without truth: tools/test.py --out DIR '
    '--cfg-options test_evaluator.format_only=True'
)


def check(cfg: Config) -> None:
    """Checks what the config will use: its classes, weights, data and labels.

    For training the train and val sets, for evaluation (no ``train_cfg``) the test set. One process
    a machine does it.

    Raises:
        UsageError: What is wrong first, and the way out.
    """
    if not is_local_main():
        return
    model = cfg.get('model') or {}
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
        check_types(cfg)
        check_timm(model)
        check_ops(model)
        check_heads(model)
        check_test_cfg(cfg)
        check_batches(cfg)
        check_pipelines(cfg)
        check_schedule(cfg)
        check_monitors(cfg)
        check_weights(cfg)
        guards, parts = read_guards(cfg), {}
        for split in ('train', 'val') if cfg.get('train_cfg') else ('test',):
            loader = cfg.get(f'{split}_dataloader')
            if loader:
                spare = guards.max_bad_samples if split == 'train' else 0
                parts[split] = check_data(split, loader['dataset'], model, spare)
        check_overlap(parts.get('train', []), parts.get('val', []), guards.allow_overlap)


def check_types(cfg: Config) -> None:
    """Raises ``UsageError``, with the nearest name, if a part's ``type`` is registered nowhere."""
    parts = {'model': cfg.get('model') or {}}
    for name in ('data_preprocessor', 'backbone', 'neck', 'decode_head', 'auxiliary_head'):
        parts[f'model.{name}'] = parts['model'].get(name) or {}
    for path, part in parts.items():
        for each in part if isinstance(part, (list, tuple)) else [part]:
            _check_type(path, each, MODELS)
    for path, head in find_heads(parts['model']).items():
        for place, loss in find_dicts({f'{path}.loss_decode': head.get('loss_decode')}, 'type'):
            _check_type(place, loss, MODELS)
    preprocessor = parts['model.data_preprocessor']
    for index, step in enumerate(preprocessor.get('batch_augments') or []):
        _check_type(f'model.data_preprocessor.batch_augments[{index}]', step, TRANSFORMS)
    for split in ('train', 'val', 'test'):
        loader = {f'{split}_dataloader': cfg.get(f'{split}_dataloader')}
        for path, node in find_dicts(loader, 'pipeline'):
            _check_type(path, node, DATASETS)
            for index, step in enumerate(node['pipeline']):
                _check_type(f'{path}.pipeline[{index}]', step, TRANSFORMS)


def check_timm(model: dict) -> None:
    """Raises ``UsageError`` if a backbone is timm's and this install has no timm."""
    for path, node in find_dicts(dict(model=model), 'type'):
        if str(node['type']).endswith('TIMMBackbone') and not importlib.util.find_spec('timm'):
            raise UsageError(
                f"{path}: TIMMBackbone needs timm: pip install -e '.[timm]', where torchvision "
                'fits torch (README.md, "The stack")'
            )


def check_ops(model: dict) -> None:
    """Raises ``UsageError`` if a class needs mmcv's compiled ops and this install has none."""
    if importlib.util.find_spec('mmcv._ext'):
        return
    for path, node in find_dicts(dict(model=model), 'type'):
        name = str(node['type']).removeprefix('mmseg.').removeprefix('mmcv.')
        if name in NEEDS_OPS:
            raise UsageError(
                f"{path}: stock {name} needs mmcv's compiled ops, which this install lacks; "
                f'use {NEEDS_OPS[name]}, or build the ops (README.md, "The stack")'
            )


def check_heads(model: dict) -> None:
    """Raises ``UsageError`` if the heads disagree on the number of classes."""
    counts = {path: head['num_classes'] for path, head in find_heads(model).items()}
    if len(set(counts.values())) > 1:
        said = ', '.join(f'{path}.num_classes={count}' for path, count in counts.items())
        raise UsageError(f'the heads disagree: {said}; a leaf has to set each')


def check_data(split: str, dataset: dict, model: dict, spare: int = 0) -> list[Part]:
    """Checks the folders, lists, files and labels of one loader's dataset, wrappers included.

    Data on a server, and datasets that are not MMEngine's, are left alone.

    Args:
        split: ``train``, ``val`` or ``test``, for messages.
        dataset: Its config.
        model: Config of the network, which gives the number of classes.
        spare: How many samples may be missing or damaged, in training.

    Returns:
        What each dataset consists of.

    Raises:
        UsageError: Something is missing, empty, of other classes than the network, or holds a label
            outside them.
    """
    parts = []
    for path, node in find_datasets(split, dataset):
        if is_remote(node):
            continue
        built = build_dataset(path, node)
        check_classes(path, built, model)
        _check_labels(path, node, built, model, spare)
        print_log(f'{split}: {len(built)} images, {_describe(node)}', logger='current')
        parts.append(make_part(path, node, built))
    return parts


def find_datasets(split: str, dataset: dict) -> Iterator[tuple[str, dict]]:
    """Yields dotted path and config of MMEngine's datasets in a loader's, wrappers aside."""
    for path, node in find_dicts({f'{split}_dataloader': dict(dataset=dataset)}, 'type'):
        if '.pipeline[' in path:
            continue
        kind = DATASETS.get(node['type']) if isinstance(node['type'], str) else node['type']
        if isinstance(kind, type) and issubclass(kind, BaseDataset):
            yield path, node


def is_remote(node: dict) -> bool:
    """Whether the data of a dataset's config lies on a server."""
    return bool(node.get('backend_args')) or '://' in str(node.get('data_root'))


def build_dataset(path: str, node: dict) -> BaseDataset:
    """Builds a dataset without its pipeline.

    Args:
        path: Its dotted path in the config, for messages.
        node: Its config.

    Raises:
        UsageError: A folder or list is not there, or no image in them, or the class refuses its
            settings: a palette of another length than the classes for one.
    """
    _check_paths(path, node)
    try:
        built = _build(node)
    except (AssertionError, ValueError, OSError) as error:
        said = str(error) or 'its class refuses the settings; check ann_file and data_prefix'
        raise UsageError(f'{path} ({node["type"]}) does not build: {said}') from error
    if len(built) == 0:
        raise UsageError(f'{path} holds no image: {_describe(node)}')
    return built


def check_classes(path: str, dataset: BaseDataset, model: dict) -> None:
    """Checks the names of a dataset's classes.

    Raises:
        UsageError: There is another number of them than the network has classes, one occurs twice,
            or there is none, which a training does without.
    """
    limits, classes = label_range(model), dataset.metainfo.get('classes')
    if not classes and not path.startswith('train_dataloader'):
        raise UsageError(
            f'{path} names no classes, which scores need; give it metainfo=dict(classes=[...])'
        )
    if classes and (double := name_twice(classes)):
        first, second = double
        raise UsageError(
            f'{path}: classes {first} and {second} have one name, {classes[first]!r} and '
            f'{classes[second]!r}; give each its own in metainfo=dict(classes=[...])'
        )
    if limits and classes and len(classes) != limits[0]:
        heads = ', '.join(find_heads(model))
        raise UsageError(
            f'{heads}: num_classes={limits[0]}, but {path} has {len(classes)} classes; '
            'set num_classes in every head'
        )


def annotation_loader(node: dict) -> dict | None:
    """The config of the transform that loads labels, also inside one that wraps others."""
    return find_step(node, 'LoadAnnotations')


def find_step(node: dict, suffix: str) -> dict | None:
    """The first transform of a dataset's pipeline whose type ends in ``suffix``; None without."""
    steps = find_dicts(node.get('pipeline') or [], 'type')
    return next((step for _, step in steps if _type_name(step).endswith(suffix)), None)


def _type_name(step: dict) -> str:
    return step['type'] if isinstance(step['type'], str) else step['type'].__name__


def _check_type(path: str, node: dict, registry: Registry) -> None:
    name = node.get('type') if isinstance(node, dict) else None
    if not isinstance(name, str):
        return
    if class_of(node, registry) is None:
        known = {*registry.module_dict, *registry.root.module_dict}
        for scope, child in registry.root.children.items():
            known.update(f'{scope}.{each}' for each in child.module_dict)
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean {nearest[0]}?' if nearest else 'is its package installed?'
        raise UsageError(f'{path}.type={name} is not registered; {hint}')


def _build(node: dict) -> BaseDataset:
    try:
        # serialising an empty list fails with a message that names nothing
        return DATASETS.build(dict(node, pipeline=[], serialize_data=False))
    except TypeError:  # a class whose __init__ does not know that argument
        return DATASETS.build(dict(node, pipeline=[]))


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
    prefixes = dict(node.get('data_prefix') or {})
    if not annotation_loader(node):
        prefixes.pop('seg_map_path', None)
    wanted.update({f'data_prefix.{key}': root / value for key, value in prefixes.items() if value})
    for key, place in wanted.items():
        if not place.exists():
            told = f'{place} {node.get("type")}'.lower()
            hints = (hint for mark, hint in PREPARE.items() if mark in told)
            way_out = next(hints, 'check the path')
            if key == 'data_prefix.seg_map_path' and path.startswith('test_dataloader'):
                way_out += f'; {WITHOUT_TRUTH}'
            raise UsageError(f'{path}.{key}: there is no {place}; {way_out}')


def _check_labels(path: str, node: dict, dataset: BaseDataset, model: dict, spare: int) -> None:
    chosen = np.unique(np.linspace(0, len(dataset) - 1, MAX_LABELS).round().astype(int))
    infos = [dataset.get_data_info(int(index)) for index in chosen]
    loader = annotation_loader(node)
    keys = ('img_path', 'seg_map_path') if loader else ('img_path',)
    whole = []
    for info in infos:
        missing = [info[key] for key in keys if info.get(key) and not Path(info[key]).is_file()]
        if not missing:
            whole.append(info)
        elif spare == 0:
            way_out = ''
            if path.startswith('test_dataloader') and missing[0] == info.get('seg_map_path'):
                way_out = f'; put it there, take it off the list, or {WITHOUT_TRUTH}'
            raise UsageError(f'{path} names {missing[0]}, which does not exist{way_out}')
        else:
            spare -= 1
    limits = label_range(model)
    if not loader or not limits or 'seg_map_path' not in infos[0]:
        return
    load = TRANSFORMS.build(loader)
    num_classes, ignore_index = limits
    for info in whole:
        try:
            label = load(info)['gt_seg_map']
        except Exception as error:
            if isinstance(error, UsageError) and spare == 0:
                raise  # our loader's, which names the mask
            if spare == 0 or is_of_code(error):
                raise name_error(info['seg_map_path'], error) from error
            spare -= 1  # BadSamplesHook names and counts it
            continue
        values = np.bincount(label.ravel())
        if values[num_classes:].any():
            outside = np.flatnonzero(values)
            outside = outside[(outside >= num_classes) & (outside != ignore_index)]
            if len(outside):
                raise bad_label(info['seg_map_path'], outside[0], num_classes, ignore_index)
