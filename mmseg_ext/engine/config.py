"""Finding, loading and completing config files."""

import ast
import dataclasses
import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from .errors import UsageError
from .guards import read_guards

# What guards and records a run; ``default_hooks=dict(curves=None)`` in a config switches one off.
DEFAULT_HOOKS = dict(
    resume_guard=dict(type='mmseg_ext.ResumeGuardHook'),
    fine_tune_guard=dict(type='mmseg_ext.FineTuneGuardHook'),
    bad_samples=dict(type='mmseg_ext.BadSamplesHook'),
    label_range=dict(type='mmseg_ext.LabelRangeHook'),
    loader_advice=dict(type='mmseg_ext.LoaderAdviceHook'),
    load_report=dict(type='mmseg_ext.LoadReportHook'),
    random_state=dict(type='mmseg_ext.RandomStateHook'),
    interrupt=dict(type='mmseg_ext.InterruptHook'),
    unfinished_validation=dict(type='mmseg_ext.UnfinishedValidationHook'),
    metrics_file=dict(type='mmseg_ext.MetricsFileHook'),
    curves=dict(type='mmseg_ext.CurvesHook'),
    val_sheet=dict(type='mmseg_ext.ValSheetHook'),
    provenance=dict(type='mmseg_ext.ProvenanceHook'),
    run_summary=dict(type='mmseg_ext.RunSummaryHook'),
)

# What stands in for a stock class of that name, takes its arguments and adds to it. The name with
# its package, ``mmseg.EncoderDecoder``, keeps the stock class.
OURS_FOR_STOCK = dict(
    CheckpointHook='mmseg_ext.CheckpointHook',
    EpochBasedTrainLoop='mmseg_ext.EpochBasedTrainLoop',
    EncoderDecoder='mmseg_ext.EncoderDecoder',
    SegDataPreProcessor='mmseg_ext.SegDataPreProcessor',
    SegTTAModel='mmseg_ext.SegTTAModel',
)

# What logs show as the mean of the last values: MMEngine's pattern, but for losses of validations,
# each of which is a mean already, and the one that a schedule sees.
SMOOTHED = r'^(?!(val/)?val_).*(loss|time|data_time|grad_norm).*'


def find_configs(folder: Path) -> list[Path]:
    """Lists the configs below a folder, in order; the shared pieces in ``_base_`` are none."""
    return sorted(file for file in folder.rglob('*.py') if '_base_' not in file.parts)


def check_config_path(path: str) -> None:
    """Raises ``UsageError`` with the nearest names if there is no config file at ``path``."""
    if Path(path).is_file():
        return
    known = {leaf.name: leaf for leaf in find_configs(Path('configs'))}
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
        UsageError: No such file, it is no config, a ``_base_`` of it is missing or clashes with
            another, or an option does not fit.
    """
    check_config_path(path)
    try:
        cfg = Config.fromfile(path)
        if options:
            cfg.merge_from_dict(options)
    # a config is a program, so nearly anything can go wrong in it
    except Exception as error:
        raise UsageError(f'{path} does not load: {type(error).__name__}: {error}') from error
    if work_dir or not cfg.get('work_dir'):
        cfg.work_dir = work_dir or str(Path('work_dirs') / Path(path).stem)
    return cfg


def is_by_epoch(cfg: Config) -> bool:
    """Whether the training loop counts epochs; True without a training loop."""
    loop = cfg.get('train_cfg') or {}
    return loop.get('by_epoch', 'IterBased' not in str(loop.get('type')))


def complete_config(cfg: Config) -> None:
    """Fills in what follows from the rest of the config, in place, so that the dumped file says it.

    - ``default_hooks``: ours, unless the config names them (``None`` switches one off).
    - Stock classes that ours add to, in ``OURS_FOR_STOCK``: ours, which take the same arguments.
      ``type='mmengine.CheckpointHook'`` keeps the stock one. Networks inside others, as the teacher
      of a distiller, stay: what holds them may need what ours leave out.
    - ``guards``: their defaults.
    - ``by_epoch`` of the log processor, the logger and the checkpoints, from the training loop.
    - With ``mmseg_ext.ValLoop``, logs that show each validation's loss as it is.
    - A checkpoint hook that keeps the three newest and the best, if the config has none at all.
    - ``apply_data_root``.
    """
    by_epoch = is_by_epoch(cfg)
    hooks = cfg.setdefault('default_hooks', ConfigDict()) or ConfigDict()
    for name, hook in DEFAULT_HOOKS.items():
        hooks.setdefault(name, hook)
    if 'checkpoint' not in hooks:
        hooks.checkpoint = _default_checkpoint_hook(cfg, by_epoch)
    hooks.setdefault('logger', dict(type='LoggerHook'))
    loop = cfg.get('train_cfg')
    if by_epoch and loop and loop.get('type', 'EpochBasedTrainLoop') == 'EpochBasedTrainLoop':
        loop.pop('by_epoch', None)
        loop.type = 'EpochBasedTrainLoop'
    networks = networks_of(cfg).values()
    preprocessors = [part.get('data_preprocessor') for part in (cfg, *networks)]
    for part in (*networks, *preprocessors, hooks.checkpoint, loop):
        if part and isinstance(part.get('type'), str):
            part['type'] = OURS_FOR_STOCK.get(part['type'], part['type'])
    for name, key in (('checkpoint', 'by_epoch'), ('logger', 'log_metric_by_epoch')):
        if hooks[name] is not None:
            hooks[name].setdefault(key, by_epoch)
    cfg.default_hooks = hooks

    log_processor = cfg.get('log_processor') or ConfigDict()
    log_processor.setdefault('by_epoch', by_epoch)
    if (cfg.get('val_cfg') or {}).get('type') == 'mmseg_ext.ValLoop':
        log_processor.setdefault('mean_pattern', SMOOTHED)
    cfg.log_processor = log_processor
    cfg.guards = dataclasses.asdict(read_guards(cfg))
    apply_data_root(cfg)


def apply_data_root(cfg: Config) -> None:
    """Lets datasets follow a ``data_root`` set in a leaf, or by ``--cfg-options``, in place.

    Those follow that have the value it was set over. Otherwise it would change a variable that
    nothing reads.
    """
    if not cfg.get('data_root') or not cfg.filename:
        return
    inherited = _data_roots(Path(cfg.filename)) - {cfg.data_root}
    loaders = [cfg.get(f'{split}_dataloader') for split in ('train', 'val', 'test')]
    for _, dataset in find_dicts(loaders, 'data_root'):
        if dataset['data_root'] in inherited:
            dataset['data_root'] = cfg.data_root


def find_dicts(node, key: str, path: str = '') -> Iterator[tuple[str, dict]]:
    """Yields dotted path and dict of every dict in ``node``, itself included, that has ``key``."""
    if isinstance(node, dict):
        if key in node:
            yield path, node
        for name, child in node.items():
            yield from find_dicts(child, key, f'{path}.{name}' if path else str(name))
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from find_dicts(child, key, f'{path}[{index}]')


def networks_of(cfg: Config) -> dict[str, dict]:
    """Those that a run builds, by path: the model and that of TTA, but none inside them."""
    found = {}
    for path in ('model', 'tta_model'):
        network = cfg.get(path) or {}
        found.update({path: network, f'{path}.module': network.get('module')})
    return {path: network for path, network in found.items() if isinstance(network, dict)}


def find_schedulers(cfg: Config) -> dict[str, dict]:
    """The schedulers of a config, of one optimizer or several, by their path in --cfg-options."""
    found = find_dicts(dict(param_scheduler=cfg.get('param_scheduler')), 'type')
    return {re.sub(r'\[(\d+)]', r'.\1', path): scheduler for path, scheduler in found}


def assigned_names(file: Path) -> set[str]:
    """The variables that a config file itself sets, those it inherits aside."""
    return {name for name, _ in _assignments(file)}


def class_of(node: dict, registry: Registry) -> type | None:
    """The class that a part's ``type`` names, or is; None if that is registered nowhere."""
    kind = node.get('type')
    if not isinstance(kind, str):
        return kind
    try:
        return registry.get(kind)
    except RuntimeError:  # how the maintained MMEngine says that there is none
        return None


def _default_checkpoint_hook(cfg: Config, by_epoch: bool) -> dict:
    # without val_interval the loops validate every epoch or every 1000 iterations
    interval = (cfg.get('train_cfg') or {}).get('val_interval', 1 if by_epoch else 1000)
    hook = dict(type='CheckpointHook', interval=interval, max_keep_ckpts=3)
    evaluators = cfg.get('val_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    if any('mIoU' in evaluator.get('iou_metrics', ['mIoU']) for evaluator in evaluators):
        hook.update(save_best='mIoU', rule='greater')
    return hook


def _data_roots(file: Path) -> set[str]:
    """The values that a config file and those it inherits from give ``data_root``."""
    roots: set[str] = set()
    for name, value in _assignments(file):
        if name in ('data_root', '_base_') and _is_literal(value):
            literal = ast.literal_eval(value)
            if name == 'data_root':
                roots.add(literal)
            else:
                for base in [literal] if isinstance(literal, str) else literal:
                    roots |= _data_roots(file.parent / base)
    return roots


def _assignments(file: Path) -> Iterator[tuple[str, ast.expr]]:
    """Yields name and value of each plain assignment at the top of a config file."""
    try:
        tree = ast.parse(file.read_text())
    except (OSError, SyntaxError):  # another package's config, or one with {{placeholders}}
        return
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _is_literal(node: ast.expr) -> bool:
    parts = (ast.Constant, ast.List, ast.Tuple, ast.Load)
    return all(isinstance(part, parts) for part in ast.walk(node))
