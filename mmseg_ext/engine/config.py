"""Finding, loading and completing config files."""

import difflib
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .errors import UsageError

# What a run leaves in its folder; ``default_hooks=dict(curves=None)`` in a config switches one off.
RECORD_HOOKS = dict(
    label_range=dict(type='mmseg_ext.LabelRangeHook'),
    metrics_file=dict(type='mmseg_ext.MetricsFileHook'),
    curves=dict(type='mmseg_ext.CurvesHook'),
    val_sheet=dict(type='mmseg_ext.ValSheetHook'),
    run_summary=dict(type='mmseg_ext.RunSummaryHook'),
)


def check_config_path(path: str) -> None:
    """Raises ``UsageError`` with the nearest names if there is no config file at ``path``."""
    if Path(path).is_file():
        return
    leaves = (file for file in Path('configs').rglob('*.py') if '_base_' not in file.parts)
    known = {leaf.name: leaf for leaf in leaves}
    nearest = difflib.get_close_matches(f'{Path(path).stem}.py', known, n=3, cutoff=0.4)
    if nearest:
        hint = 'did you mean ' + ' or '.join(str(known[name]) for name in nearest) + '?'
    else:
        hint = 'see configs/ for what there is'
    raise UsageError(f'no config file at {path}; {hint}')


def load_config(path: str, options: dict | None = None, work_dir: str | None = None) -> Config:
    """Loads a config as MMSegmentation's tools do, and puts its work_dir in place.

    Args:
        path: Config file.
        options: Dotted keys and values of ``--cfg-options``.
        work_dir: Value of ``--work-dir``; else the config's own, else ``work_dirs/NAME``.

    Raises:
        UsageError: No such file, or a ``_base_`` of it is missing or clashes with another.
    """
    check_config_path(path)
    try:
        cfg = Config.fromfile(path)
        if options:
            cfg.merge_from_dict(options)
    except (FileNotFoundError, KeyError, TypeError) as error:
        raise UsageError(f'{path} does not load: {error}') from error
    if work_dir or not cfg.get('work_dir'):
        cfg.work_dir = work_dir or str(Path('work_dirs') / Path(path).stem)
    return cfg


def is_by_epoch(cfg: Config) -> bool:
    """Whether the training loop counts epochs; True without a training loop."""
    loop = cfg.get('train_cfg') or {}
    return loop.get('by_epoch', 'IterBased' not in str(loop.get('type')))


def complete_config(cfg: Config) -> None:
    """Fills in what follows from the rest of the config, in place, so that the dumped file says it.

    - ``default_hooks``: our record hooks, unless the config names them (``None`` switches one off).
    - ``by_epoch`` of the log processor, the logger and the checkpoints, from the training loop.
    - A checkpoint hook that keeps the three newest and the best, if the config has none at all.
    - A top-level ``data_root`` that no dataset uses is put in force: set in a leaf or by
      ``--cfg-options data_root=...`` it would otherwise have no effect.

    Raises:
        UsageError: The top-level ``data_root`` is unused and the datasets have several roots.
    """
    by_epoch = is_by_epoch(cfg)
    hooks = cfg.setdefault('default_hooks', ConfigDict()) or ConfigDict()
    for name, hook in RECORD_HOOKS.items():
        hooks.setdefault(name, hook)
    if 'checkpoint' not in hooks:
        interval = (cfg.get('train_cfg') or {}).get('val_interval', 1)
        hooks.checkpoint = dict(
            type='CheckpointHook',
            interval=interval,
            max_keep_ckpts=3,
            save_best='mIoU',
            rule='greater',
        )
    hooks.setdefault('logger', dict(type='LoggerHook'))
    for name, key in (('checkpoint', 'by_epoch'), ('logger', 'log_metric_by_epoch')):
        if hooks[name] is not None:
            hooks[name].setdefault(key, by_epoch)
    cfg.default_hooks = hooks

    log_processor = cfg.get('log_processor') or ConfigDict()
    log_processor.setdefault('by_epoch', by_epoch)
    cfg.log_processor = log_processor
    _apply_data_root(cfg)


def find_dicts(node, key: str, path: str = ''):
    """Yields ``(dotted path, dict)`` for every dict below ``node`` that holds ``key``."""
    if isinstance(node, dict):
        if key in node:
            yield path, node
        for name, child in node.items():
            yield from find_dicts(child, key, f'{path}.{name}' if path else str(name))
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from find_dicts(child, key, f'{path}[{index}]')


def _apply_data_root(cfg: Config) -> None:
    wanted = cfg.get('data_root')
    loaders = [cfg.get(f'{split}_dataloader') for split in ('train', 'val', 'test')]
    datasets = [dataset for _, dataset in find_dicts(loaders, 'data_root')]
    roots = {dataset['data_root'] for dataset in datasets}
    if not wanted or not roots or wanted in roots:
        return
    if len(roots) > 1:
        raise UsageError(
            f'data_root={wanted!r} has no effect: the datasets have roots of their own, '
            f'{sorted(roots)}; set data_root in each dataset'
        )
    for dataset in datasets:
        dataset['data_root'] = wanted
