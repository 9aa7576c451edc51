"""What the options of ``tools/test.py`` change in a config."""

import argparse
import inspect
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import list_from_file
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, METRICS

from mmseg_ext.records.files import short_path

from .class_names import find_classes
from .config import class_of, find_dicts
from .errors import UsageError
from .tested_pipelines import find_tta_pipeline, without_truth, wrap_for_tta

NO_TRUTH = (
    'test_dataloader.dataset has no seg_map_path in its data_prefix, or test_evaluator says '
    'format_only'
)


def check_folder(option: str, path: str | None) -> None:
    """Raises ``UsageError`` if a folder that an option names is empty, a file or below a file."""
    if path is None:
        return
    if not path:
        raise UsageError(f'{option} names no folder')
    whole = Path(path).resolve()
    nearest = next(place for place in (whole, *whole.parents) if place.exists())
    if not nearest.is_dir():
        raise UsageError(f'{option} {path}: {short_path(nearest)} is a file; name a folder')


def check_options(args: argparse.Namespace) -> None:
    """Raises ``UsageError`` if an option of ``tools/test.py`` makes no sense by itself."""
    check_folder('--out', args.out)
    check_folder('--show-dir', args.show_dir)
    if args.worst is not None and args.worst < 1:
        raise UsageError(f'--worst {args.worst}: takes a number of images, 1 or more')


def add_hooks(cfg: Config, args: argparse.Namespace, classes: Sequence[str] | None) -> None:
    """Puts the hooks into the config that a test has and that its options ask for, in place.

    Args:
        cfg: Config.
        args: The options.
        classes: Names that ``--classes`` chose.
    """
    hooks = dict(
        class_names=dict(type='mmseg_ext.ClassNamesHook'),
        truth_size=dict(type='mmseg_ext.TruthSizeHook'),
        progress=dict(type='mmseg_ext.ProgressHook'),
        mask_files=args.out and dict(type='mmseg_ext.MaskFilesHook', out_dir=args.out),
        show_dir=args.show_dir
        and dict(type='mmseg_ext.ShowDirHook', out_dir=args.show_dir, classes=classes),
        worst_images=args.worst
        and dict(type='mmseg_ext.WorstImagesHook', num_images=args.worst, classes=classes),
        visualization=args.show
        and dict(type='SegVisualizationHook', draw=True, show=True, wait_time=args.wait_time),
    )
    asked = {name: hook for name, hook in hooks.items() if hook}
    cfg.setdefault('default_hooks', {}).update(asked)


def predict_alone(cfg: Config, args: argparse.Namespace) -> str:
    """Prepares a test without truth, in place; returns what to say of it.

    Raises:
        UsageError: The options need truth, or nothing would come of it.
    """
    for option, given in (('--worst', args.worst), ('--classes', args.classes)):
        if given is not None:
            raise UsageError(f'{option} needs truth: {NO_TRUTH}; add seg_map_path, or leave it out')
    writes = any(evaluator.get('output_dir') for evaluator in find_evaluators(cfg))
    if not (args.out or args.show_dir or args.show or writes):
        raise UsageError(
            f'nothing to evaluate against: {NO_TRUTH}; --out DIR writes the predictions, or add '
            'seg_map_path'
        )
    leave_out_truth(cfg)
    return f'{NO_TRUTH}: predictions alone, no metric is computed'


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
        node['pipeline'] = without_truth(node['pipeline'])
        if node.get('data_prefix') is not None:
            node['data_prefix'].pop('seg_map_path', None)
    # one that writes files by itself goes on doing so
    if not any(evaluator.get('output_dir') for evaluator in find_evaluators(cfg)):
        cfg.test_evaluator = []
        cfg.setdefault('default_hooks', {})['metrics_file'] = None  # there is nothing to keep


def use_tta(cfg: Config) -> str | None:
    """Puts the config's ``tta_pipeline`` and ``tta_model`` in force, or made ones, in place.

    Returns:
        What was made, in words; None if the config has its own.
    """
    note = None
    for node in _test_sets(cfg):
        node['pipeline'], note = find_tta_pipeline(cfg, node['pipeline'])
    cfg.model = wrap_for_tta(cfg, cfg.model)
    return note


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
