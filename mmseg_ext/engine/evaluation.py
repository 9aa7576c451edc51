"""What the options of ``tools/test.py`` change in a config."""

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import list_from_file
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, METRICS

from .class_names import find_classes
from .config import class_of, find_dicts
from .errors import UsageError

TTA_RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # MMSegmentation's


def check_folder(option: str, path: str | None) -> None:
    """Raises ``UsageError`` if a folder that an option names is a file, or lies below one."""
    if path is None:
        return
    for place in (Path(path), *Path(path).parents):
        if place.exists():
            if not place.is_dir():
                raise UsageError(f'{option} {path}: {place} is a file; name a folder')
            return


def find_evaluators(cfg: Config) -> list[dict]:
    """The configs of the test's metrics."""
    found = cfg.get('test_evaluator') or []
    if isinstance(found, dict):
        found = found.get('metrics', [found])
    return list(found) if isinstance(found, (list, tuple)) else [found]


def has_truth(cfg: Config) -> bool:
    """Whether the test set names label files, and the evaluator wants to compare with them."""
    if any(evaluator.get('format_only') for evaluator in find_evaluators(cfg)):
        return False
    # without data_prefix it has its class's own
    prefixes = [node.get('data_prefix') for node in _test_sets(cfg)]
    return all(prefix is None or prefix.get('seg_map_path') is not None for prefix in prefixes)


def leave_out_truth(cfg: Config) -> None:
    """Takes the loading of labels out of the test's pipelines, and the metrics, in place."""
    for node in _test_sets(cfg):
        node['pipeline'] = _without_labels(node['pipeline'])
        if node.get('data_prefix') is not None:
            node['data_prefix'].pop('seg_map_path', None)
    # one that writes files by itself goes on doing so
    if not any(evaluator.get('output_dir') for evaluator in find_evaluators(cfg)):
        cfg.test_evaluator = []
        cfg.setdefault('default_hooks', {})['metrics_file'] = None  # there is nothing to keep


def use_tta(cfg: Config) -> str | None:
    """Puts the config's ``tta_pipeline`` and ``tta_model`` in force, in place.

    Where it has none, a pipeline is made of that of the test: its ``Resize`` at each of
    ``TTA_RATIOS``, with and without a horizontal flip, and the rest behind.

    Returns:
        What was made, in words; None if the config has its own.
    """
    note = None
    for node in _test_sets(cfg):
        if cfg.get('tta_pipeline'):
            node['pipeline'] = copy.deepcopy(cfg.tta_pipeline)
        else:
            node['pipeline'], note = make_tta_pipeline(node['pipeline'])
    tta_model = copy.deepcopy(cfg.get('tta_model') or dict(type='SegTTAModel'))
    cfg.model = dict(tta_model, module=cfg.model)
    return note


def make_tta_pipeline(pipeline: Sequence[dict]) -> tuple[list[dict], str]:
    """Makes a pipeline with views at several scales, mirrored and not, of one with a single view.

    Args:
        pipeline: That of the test. Without a ``Resize``, views are scaled from the image's size.

    Returns:
        The pipeline, and what it does in words.
    """
    resize = next((step for step in pipeline if _is(step, 'Resize')), None)
    at = list(pipeline).index(resize) if resize else 1
    before, after = list(pipeline[:at]), list(pipeline[at + bool(resize) :])
    # labels stay as they are, like the merged prediction
    labels = [step for step in before + after if _is(step, 'LoadAnnotations')]
    before, after = ([step for step in part if step not in labels] for part in (before, after))
    after = [step for step in after if not _is(step, 'RandomFlip')]
    scales = [_scaled(resize, ratio) for ratio in TTA_RATIOS]
    flips = [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)]
    transforms = [scales, flips, *([step] for step in labels + after)]
    ratios = ', '.join(f'{ratio:g}' for ratio in TTA_RATIOS)
    note = (
        f'no tta_pipeline in the config: made one of the test pipeline, {ratios} times '
        f'{_size_of(resize)}, each also mirrored'
    )
    return [*before, dict(type='TestTimeAug', transforms=transforms)], note


def choose_classes(cfg: Config, words: Sequence[str]) -> list[str]:
    """Reads ``--classes`` and hands the names to the test's metrics, in place.

    Args:
        cfg: Config.
        words: Names, separated by commas or spaces, which names may contain as well.

    Returns:
        The names as the data set has them, each once, in its order.

    Raises:
        UsageError: No name, an unknown one, or a metric that takes no ``classes``.
    """
    names = _class_names(cfg)
    found = find_classes(words, names)
    chosen = [names[place] for place in found]
    for evaluator in find_evaluators(cfg):
        kind = class_of(evaluator, METRICS)
        if kind is None or 'classes' not in inspect.signature(kind.__init__).parameters:
            name = evaluator.get('type')
            raise UsageError(
                f'--classes: the metric {name} takes none; set test_evaluator.type to '
                'mmseg_ext.SegMetrics'
            )
        evaluator['classes'] = chosen
    return chosen


def _class_names(cfg: Config) -> Sequence[str]:
    """The class names of the test set; its files are not looked at."""
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
        for node in _test_sets(cfg):
            given = (node.get('metainfo') or {}).get('classes')
            kind = class_of(node, DATASETS)
            names = given or getattr(kind, 'METAINFO', {}).get('classes')
            if isinstance(names, str):  # a file of them
                names = list_from_file(names)
            if names:
                return names
    raise UsageError('--classes: the test set names no classes; set metainfo.classes')


def _test_sets(cfg: Config) -> list[dict]:
    """The configs of the test's data sets, without their wrappers."""
    loader = dict(test_dataloader=cfg.test_dataloader)
    return [node for path, node in find_dicts(loader, 'pipeline') if 'pipeline[' not in path]


def _without_labels(steps: Sequence) -> list:
    """Steps of a pipeline without those that load labels, views of TTA included."""
    kept = []
    for step in steps:
        if isinstance(step, (list, tuple)):
            inner = _without_labels(step)
            if inner or not step:
                kept.append(inner)
        elif not _is(step, 'LoadAnnotations'):
            views = {key: _without_labels(step[key]) for key in ('transforms',) if key in step}
            kept.append({**step, **views})
    return kept


def _is(step: dict, name: str) -> bool:
    kind = step['type']
    return (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2] == name


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
