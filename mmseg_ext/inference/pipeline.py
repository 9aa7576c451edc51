"""The config's test pipeline for images without truth."""

import copy
from collections.abc import Sequence

from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from mmseg_ext.engine.config import class_of, find_dicts
from mmseg_ext.engine.errors import UsageError


def find_pipeline(cfg: Config, tta: bool = False) -> list[dict]:
    """Finds the transforms of a config's tests.

    Args:
        cfg: The config.
        tta: Take ``tta_pipeline``.

    Returns:
        The first pipeline of the test set, else of the validation set, else ``test_pipeline``; a
        copy.

    Raises:
        UsageError: There is none.
    """
    if tta:
        return copy.deepcopy(list(cfg.tta_pipeline))
    for split in ('test', 'val'):
        loader = cfg.get(f'{split}_dataloader') or {}
        for _, dataset in find_dicts(loader.get('dataset'), 'pipeline'):
            if dataset['pipeline']:
                return copy.deepcopy(list(dataset['pipeline']))
    if cfg.get('test_pipeline'):
        return copy.deepcopy(list(cfg.test_pipeline))
    raise UsageError(
        f'{cfg.filename} says not how images are prepared: it needs test_dataloader or '
        'test_pipeline'
    )


def without_truth(steps: Sequence) -> list:
    """Leaves out what loads annotations, wherever it stands, in a TestTimeAug too.

    Stock's image loader becomes ours, which gives the same pixels and refuses files cut off.
    """
    kept = []
    for step in steps:
        if isinstance(step, (list, tuple)):  # of a TestTimeAug
            inner = without_truth(step)
            if inner or not step:
                kept.append(inner)
            continue
        kind, changed = class_of(step, TRANSFORMS), dict(step)
        if _is_a(kind, LoadAnnotations):
            continue
        if 'transforms' in step:
            changed['transforms'] = without_truth(step['transforms'])
        if kind is LoadImageFromFile and not step.get('ignore_empty'):
            changed['type'] = 'mmseg_ext.LoadImageFromFile'
        kept.append(changed)
    return kept


def for_arrays(steps: Sequence[dict]) -> list[dict]:
    """Takes images that are loaded already, under ``img``.

    Raises:
        UsageError: No step loads an image, so that there is no telling where they would come in.
    """
    is_loader = [_is_a(class_of(step, TRANSFORMS), LoadImageFromFile) for step in steps]
    if not any(is_loader):
        raise UsageError(
            'the test pipeline has no LoadImageFromFile, whose place arrays could take'
        )
    return [
        dict(type='mmseg.LoadImageFromNDArray', to_float32=step.get('to_float32', False))
        if loads
        else step
        for step, loads in zip(steps, is_loader, strict=True)
    ]


def _is_a(kind, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
