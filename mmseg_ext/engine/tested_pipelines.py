"""Pipelines of tests: without truth, and with several views of each image."""

import copy
from collections.abc import Sequence

from mmcv.transforms import LoadAnnotations, RandomFlip, Resize
from mmengine.config import Config
from mmseg.registry import TRANSFORMS

from .config import class_of

TTA_RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # MMSegmentation's


def is_step(step: dict, kind: type) -> bool:
    """Whether a step of a pipeline is of a class, or of one derived from it."""
    found = class_of(step, TRANSFORMS)
    return isinstance(found, type) and issubclass(found, kind)


def without_truth(steps: Sequence) -> list:
    """Leaves out what loads annotations, wherever it stands, in a TestTimeAug too.

    Args:
        steps: Configs of transforms.
    """
    kept = []
    for step in steps:
        if isinstance(step, (list, tuple)):  # of a TestTimeAug
            inner = without_truth(step)
            if inner or not step:
                kept.append(inner)
        elif not is_step(step, LoadAnnotations):
            views = {key: without_truth(step[key]) for key in ('transforms',) if key in step}
            kept.append({**step, **views})
    return kept


def find_tta_pipeline(cfg: Config, pipeline: Sequence[dict]) -> tuple[list[dict], str | None]:
    """The config's ``tta_pipeline``, else one made of that of the test; and what was made."""
    if cfg.get('tta_pipeline'):
        return copy.deepcopy(list(cfg.tta_pipeline)), None
    return make_tta_pipeline(pipeline)


def wrap_for_tta(cfg: Config, model: dict) -> dict:
    """Wraps the config of a network in the config's ``tta_model``, else in ours."""
    tta_model = copy.deepcopy(cfg.get('tta_model') or dict(type='mmseg_ext.SegTTAModel'))
    return dict(tta_model, module=model)


def make_tta_pipeline(pipeline: Sequence[dict]) -> tuple[list[dict], str]:
    """Makes a pipeline with views at several scales, mirrored and not, of one with a single view.

    Args:
        pipeline: That of the test. Without a ``Resize``, views are scaled from the image's size.

    Returns:
        The pipeline, and what it does in words.
    """
    resize = next((step for step in pipeline if is_step(step, Resize)), None)
    at = list(pipeline).index(resize) if resize else 1
    before, after = list(pipeline[:at]), list(pipeline[at + bool(resize) :])
    # labels stay as they are, like the merged prediction
    labels = [step for step in before + after if is_step(step, LoadAnnotations)]
    before, after = ([step for step in part if step not in labels] for part in (before, after))
    after = [step for step in after if not is_step(step, RandomFlip)]
    scales = [_scaled(resize, ratio) for ratio in TTA_RATIOS]
    flips = [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)]
    transforms = [scales, flips, *([step] for step in labels + after)]
    ratios = ', '.join(f'{ratio:g}' for ratio in TTA_RATIOS)
    note = (
        f'no tta_pipeline in the config: made one of the test pipeline, {ratios} times '
        f'{_size_of(resize)}, each also mirrored'
    )
    return [*before, dict(type='TestTimeAug', transforms=transforms)], note


def _scaled(resize: dict | None, ratio: float) -> dict:
    if resize is None:
        return dict(type='Resize', scale_factor=ratio, keep_ratio=True)
    scaled = copy.deepcopy(dict(resize))
    if scaled.get('scale') is None:
        factor = scaled.get('scale_factor', 1.0)
        several = isinstance(factor, (list, tuple))
        scaled['scale_factor'] = tuple(f * ratio for f in factor) if several else factor * ratio
    else:
        scale = scaled['scale']
        sides = scale if isinstance(scale, (list, tuple)) else (scale, scale)
        scaled['scale'] = tuple(max(1, round(side * ratio)) for side in sides)
    return scaled


def _size_of(resize: dict | None) -> str:
    if resize is None:
        return "the image's size"
    scale = resize.get('scale')
    if scale is None:
        return f'{resize.get("scale_factor")} of the size'
    sides = scale if isinstance(scale, (list, tuple)) else (scale, scale)
    return f'{sides[0]}x{sides[1]}'
