"""What changed between two configs, and what of it a resumed run obeys."""

import difflib
import enum
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from .config import DEFAULT_HOOKS

# What the Runner reads. Other names of a config are variables, which act through these.
SECTIONS = (
    'model',
    'data_preprocessor',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'randomness',
    'val_dataloader',
    'val_cfg',
    'val_evaluator',
    'default_hooks',
    'custom_hooks',
    'model_wrapper_cfg',
    'find_unused_parameters',
    'sync_bn',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
    'compile',
)
# What else a run, a test or our tools read; none of it can spoil a resumed run. `work_dir`,
# `launcher` and `experiment_name` are left out: they say where a run is and what it is called. A
# test holds both lists to the code that reads configs.
OTHER_SECTIONS = (
    'load_from',
    'resume',
    'test_dataloader',
    'test_cfg',
    'test_evaluator',
    'tta_model',
    'tta_pipeline',
    'guards',
    'env_cfg',
    'default_scope',
    'runner_type',
    'visualizer',
    'log_processor',
    'log_level',
    'custom_imports',
    'test_pipeline',  # MMSegmentation's inference_model
    'strategy',  # these two: FlexibleRunner
    'init_weights_for_test_or_val',
)
# Hooks that record or display, and change nothing.
QUIET_HOOKS = {*DEFAULT_HOOKS, 'logger', 'timer', 'visualization'}
QUIET = re.compile(
    rf'default_hooks\.({"|".join(sorted(QUIET_HOOKS))})\b|default_hooks\.checkpoint\.by_epoch$'
)


class Effect(enum.Enum):
    """What becomes of a changed setting when a run is resumed."""

    TAKEN = 'takes effect'
    UNUSED = 'not used, because the weights come from the checkpoint'
    IGNORED = 'ignored, because the state comes from the checkpoint'
    MIXED = 'half in force, half overruled by the checkpoint'


class Difference(NamedTuple):
    """A setting's dotted path, and its values; None where it is not set."""

    path: str
    old: object
    new: object

    def __str__(self) -> str:
        return f'{self.path} {describe(self.old)} -> {describe(self.new)}'


class Rule(NamedTuple):
    """Settings that do not simply take effect: those whose path matches, if the state is there."""

    path: re.Pattern
    state: str  # the part of the checkpoint that overrules them
    effect: Effect


# Each line is held by an experiment in tests/hooks/test_resume_guard_hook.py. The first match
# counts; what matches none takes effect.
RULES = tuple(
    Rule(re.compile(path), state, effect)
    for path, state, effect in (
        # torch restores the parameter groups whole; the new class then works on the old one's
        (r'optim_wrapper\.optimizer\.type$', 'optimizer', Effect.MIXED),
        (r'optim_wrapper\.(optimizer|paramwise_cfg|constructor)\b', 'optimizer', Effect.IGNORED),
        # it scales the rates before they are restored
        (r'auto_scale_lr\b', 'optimizer', Effect.IGNORED),
        (r'optim_wrapper\.loss_scale\b', 'loss_scaler', Effect.IGNORED),
        # states go to schedulers by their place in the list, all attributes but the class
        (r'param_scheduler(\[\d+\])?(\.type)?$', 'param_schedulers', Effect.MIXED),
        (r'param_scheduler\b', 'param_schedulers', Effect.IGNORED),
        # RandomStateHook gives the checkpoint's to the sampler as well
        (r'randomness\.seed$', 'seed', Effect.IGNORED),
        (r'model\.(.*\.)?(init_cfg|pretrained)\b', 'state_dict', Effect.UNUSED),
    )
)


def compare(old: dict, new: dict, everything: bool = False) -> list[Difference]:
    """Lists the settings in which two configs differ, where the Runner reads them.

    None and a setting that is not there are the same, as are lists and tuples. Where two dicts have
    different ``type``, arguments that only one of them has are left out. ``auto_scale_lr`` counts
    where one of them has enabled it.

    Args:
        old: The checkpoint's config, from ``parse_config_text``.
        new: The running one, likewise.
        everything: Also what matters to no resumed run: ``OTHER_SECTIONS``, the hooks that record
            or display, and the arguments of another class.
    """
    found = (
        difference
        for section in ((*SECTIONS, *OTHER_SECTIONS) if everything else SECTIONS)
        if section != 'auto_scale_lr' or _scales_rates(old) or _scales_rates(new)
        for difference in _walk(section, old.get(section), new.get(section), everything)
    )
    return [each for each in found if everything or not QUIET.match(each.path)]


def classify(difference: Difference, checkpoint: dict) -> Effect:
    """What becomes of a difference when a run is resumed from a checkpoint.

    Args:
        difference: One of ``compare``.
        checkpoint: As loaded; a state that was not saved overrules nothing.
    """
    # a static scale is set anew after every step; from it to a dynamic one, too, all is restored
    # but the scale itself
    if difference.path == 'optim_wrapper.loss_scale' and float in (
        type(difference.old),
        type(difference.new),
    ):
        return Effect.TAKEN
    states = set(checkpoint) | set(checkpoint.get('optimizer') or ())
    if (checkpoint.get('meta') or {}).get('seed') is not None:
        states.add('seed')
    for rule in RULES:
        if rule.path.match(difference.path):
            return rule.effect if rule.state in states else Effect.TAKEN
    return Effect.TAKEN


def describe(value: object, width: int | None = 60) -> str:
    """A setting's value: parts by their types, the rest as Python writes it.

    Args:
        value: As in ``Difference``.
        width: Letters to which a long one is cut; None leaves it whole.
    """
    if value is None:
        return '(not set)'
    if isinstance(value, dict) and 'type' in value:
        return str(value['type'])
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(describe(item, width) for item in value)}]'
    text = repr(value)
    return text if width is None or len(text) <= width else f'{text[: width - 3]}...'


def describe_change(old: object, new: object, width: int | None = 60) -> str:
    """``OLD -> NEW``; of a list of parts, a pipeline for one, which came, went and changed.

    Args:
        old: As in ``Difference``.
        new: Likewise.
        width: As for ``describe``.

    Returns:
        For a pipeline ``+ Name, - Name, Name changed``, in the order of the list.
    """
    lists = [value for value in (old, new) if value]
    if not lists or not all(map(_is_list_of_parts, lists)):
        return f'{describe(old, width)} -> {describe(new, width)}'
    old, new = old or (), new or ()
    before, after = (list(map(describe, value)) for value in (old, new))
    words = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == 'equal':
            pairs = zip(range(start, end), range(other_start, other_end), strict=True)
            words += [f'{before[i]} changed' for i, j in pairs if any(_walk('', old[i], new[j]))]
        else:
            words += [f'- {name}' for name in before[start:end]]
            words += [f'+ {name}' for name in after[other_start:other_end]]
    return ', '.join(words)


def _scales_rates(cfg: dict) -> bool:
    return bool((cfg.get('auto_scale_lr') or {}).get('enable'))


def _walk(path: str, old, new, everything: bool = False) -> Iterator[Difference]:
    # a single scheduler, hook or evaluator stands with or without a list around it
    if isinstance(old, dict) and isinstance(new, (list, tuple)):
        old = [old]
    elif isinstance(new, dict) and isinstance(old, (list, tuple)):
        new = [new]

    dicts = [value for value in (old, new) if isinstance(value, dict)]
    # a part, which has a type, comes or goes as a whole
    if len(dicts) == 2 or (dicts and None in (old, new) and 'type' not in dicts[0]):
        old, new = old or {}, new or {}
        keys = {*old, *new}
        other_class = old.get('type') and new.get('type') and old['type'] != new['type']
        if other_class and not everything:
            keys = {*old} & {*new}
        for key in sorted(keys, key=str):
            yield from _walk(f'{path}.{key}', old.get(key), new.get(key), everything)
    elif _is_list_of_parts(old) and _is_list_of_parts(new) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(f'{path}[{index}]', one, other, everything)
    elif not _equal(old, new):
        yield Difference(path, old, new)


def _is_list_of_parts(value) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, (dict, list, tuple)) for item in value
    )


def _equal(old, new) -> bool:
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return len(old) == len(new) and all(map(_equal, old, new))
    return old == new
