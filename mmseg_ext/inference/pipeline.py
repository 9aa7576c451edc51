"""The config's test pipeline for images without truth."""

import copy
from collections.abc import Sequence

from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from mmseg_ext.engine.config import class_of, find_dicts
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.tested_pipelines import is_step


def find_pipeline(cfg: Config) -> list[dict]:
    """Finds the transforms of a config's tests.

    Returns:
        The first pipeline of the test set, else of the validation set, else ``test_pipeline``; a
        copy.

    Raises:
        UsageError: There is none.
    """
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


def refuse_torn_images(steps: Sequence[dict]) -> list[dict]:
    """Puts our image loader for stock's: it gives the same pixels, and refuses files cut off."""
    return [
        dict(step, type='mmseg_ext.LoadImageFromFile')
        if class_of(step, TRANSFORMS) is LoadImageFromFile and not step.get('ignore_empty')
        else step
        for step in steps
    ]


def for_arrays(steps: Sequence[dict]) -> list[dict]:
    """Takes images that are loaded already, under ``img``.

    Raises:
        UsageError: No step loads an image, so that there is no telling where they would come in.
    """
    is_loader = [is_step(step, LoadImageFromFile) for step in steps]
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
