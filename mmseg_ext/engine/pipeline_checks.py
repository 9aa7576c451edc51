"""Checks of pipelines: that what they leave to the data preprocessor gets there."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from .config import assigned_names, class_of, find_dicts
from .errors import UsageError, one_line

EVALUATION = ('val_dataloader', 'test_dataloader', 'tta_pipeline')
# Variables that configs hand to loaders.
VARIABLES = {
    'train_pipeline': ('train_dataloader',),
    'val_pipeline': ('val_dataloader',),
    'test_pipeline': ('val_dataloader', 'test_dataloader'),
}


def check_pipelines(cfg: Config) -> None:
    """Checks that transforms are used, build, mix no images, and leave nothing that gets lost.

    Raises:
        UsageError: The place in the config, and the way out.
    """
    from mmseg_ext.transforms.batch_transform import BatchTransform, where_it_belongs

    _check_variables(cfg)
    parts = {key: cfg.get(key) for key in ('train_dataloader', *EVALUATION)}
    for path, step in find_dicts(parts, 'type'):
        kind = class_of(step, TRANSFORMS) if 'pipeline[' in path else None
        if isinstance(kind, type) and issubclass(kind, BatchTransform):
            raise UsageError(f'{path}: {where_it_belongs(kind, step)}')
    for path, _ in find_deferred({key: parts[key] for key in EVALUATION}):
        raise UsageError(
            f'{path}.on_device=True: only in training is work left to the device, so the image '
            'would stay as it is while its metainfo says otherwise; take on_device out'
        )
    for path, node in find_dicts(parts, 'pipeline'):
        for index, step in enumerate(node['pipeline']):
            _check_build(f'{path}.pipeline[{index}]', step)
    if cfg.get('train_cfg'):
        _check_training(parts['train_dataloader'])


def find_deferred(node: dict) -> Iterator[tuple[str, dict]]:
    """Yields dotted path and config of each transform that leaves its work to the device."""
    return ((path, step) for path, step in find_dicts(node, 'on_device') if step['on_device'])


def _check_variables(cfg: Config) -> None:
    """A leaf that sets ``train_pipeline`` alone changes a variable that nothing reads any more."""
    file = getattr(cfg, 'filename', None)
    assigned = assigned_names(Path(file)) if file else set()
    for name, loaders in VARIABLES.items():
        if name not in assigned or assigned.intersection(loaders):
            continue
        nodes = find_dicts({loader: cfg.get(loader) for loader in loaders}, 'pipeline')
        if cfg.get(name) not in [node['pipeline'] for _, node in nodes]:
            wanted = ', '.join(f'{each}=dict(dataset=dict(pipeline={name}))' for each in loaders)
            raise UsageError(f'{file}: {name} has no effect by itself; set {wanted}')


def _check_build(path: str, step: dict) -> None:
    try:
        TRANSFORMS.build(step)
    # whatever a transform raises on settings that it does not know or take
    except Exception as error:
        kind = class_of(step, TRANSFORMS)
        name = getattr(kind, '__name__', kind)
        raise UsageError(f'{path}: {name} does not build: {one_line(error)}') from error


def _check_training(loader: dict | None) -> None:
    pipelines = {
        path: node['pipeline']
        for path, node in find_dicts(dict(train_dataloader=loader), 'pipeline')
        if 'pipeline[' not in path and node['pipeline']
    }
    for path, steps in pipelines.items():
        outer = next((each for each in pipelines if path.startswith(f'{each}.')), None)
        for index, step in enumerate(steps):
            for place, _ in find_deferred({f'{path}.pipeline[{index}]': step}):
                if outer:
                    raise UsageError(
                        f'{place}.on_device=True: {outer}.pipeline goes on with these samples, '
                        'and what is left to the device is lost when it mixes them; move the step '
                        'there, before its PackSegInputs, or take on_device out'
                    )
                if not any(map(_passes_on, steps[index + 1 :])):
                    raise UsageError(
                        f'{place}.on_device=True: what it leaves to the device is lost on the '
                        f"way; end {path}.pipeline with dict(type='mmseg_ext.PackSegInputs'), or "
                        "with a PackSegInputs whose meta_keys have 'on_device'"
                    )


def _passes_on(step: dict) -> bool:
    """Whether a transform packs samples, and the work that is left to the device with them."""
    kind = class_of(step, TRANSFORMS)
    known = inspect.signature(kind).parameters if isinstance(kind, type) else {}
    default = known['meta_keys'].default if 'meta_keys' in known else ()
    return 'on_device' in step.get('meta_keys', default)
