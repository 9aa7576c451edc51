"""Training pipelines written with the fast transforms, and back: tables between two spellings."""

from collections.abc import Sequence

# MMSegmentation's transforms whose namesakes here do the same, with the same settings.
NAMESAKES = (
    'LoadImageFromFile',
    'LoadAnnotations',
    'RandomFlip',
    'PhotoMetricDistortion',
    'PackSegInputs',
)
# What RandomResizeCrop does, and the settings of each that it knows.
WINDOW_SETTINGS = {
    'RandomResize': {'scale', 'ratio_range', 'keep_ratio'},
    'Resize': {'scale', 'keep_ratio'},
    'RandomCrop': {'crop_size', 'cat_max_ratio', 'ignore_index'},
    'Pad': {'size', 'pad_val'},
}
# Those that may be left to the data preprocessor: they commute, as pixels keep their colours.
DEFERRED = ('RandomFlip', 'PhotoMetricDistortion')
OURS = 'mmseg_ext.'


def to_fast(
    pipeline: Sequence[dict], on_device: bool = False, cache: dict | None = None
) -> list[dict]:
    """Writes a training pipeline with the fast transforms.

    RandomResize or Resize with the RandomCrop behind it becomes ``RandomResizeCrop``, which takes
    in a Pad to the crop size as well, also from behind flip and colours: what it fills takes part
    in them. Transforms that have a namesake here become that. All others, and those with settings
    that ours do not have, stay where and what they are.

    The network then needs ``mmseg_ext.SegDataPreProcessor``: see ``data_preprocessor_type``.

    Args:
        pipeline: Configs of the transforms, in MMSegmentation's spelling, ours, or mixed.
        on_device: Leave flip and colours to the data preprocessor, where nothing but PackSegInputs
            comes after them.
        cache: Settings of the decoded cache for the transforms that load from this machine's disks,
            ``dict(dir=..., max_gb=...)``; None: none.

    Returns:
        New dicts; ``pipeline`` is left as it was.
    """
    steps = _join_windows([dict(step) for step in pipeline])
    for step in steps:
        name = _name(step)
        # an image that is quietly made up has no place in our loaders
        if name not in NAMESAKES or step.get('ignore_empty'):
            continue
        step['type'] = OURS + name
        if name.startswith('Load') and cache and not step.get('backend_args'):
            step['cache'] = cache
        if name == 'PackSegInputs' and 'on_device' not in step.get('meta_keys', ['on_device']):
            step['meta_keys'] = (*step['meta_keys'], 'on_device')
    if on_device:
        _defer(steps)
    return steps


def to_stock(pipeline: Sequence[dict]) -> list[dict]:
    """Writes a pipeline with MMSegmentation's transforms alone, where it has them.

    The decoded cache and what is left to the data preprocessor go: those are ways to do the same.

    Args:
        pipeline: Configs of the transforms.

    Returns:
        New dicts; ``pipeline`` is left as it was.
    """
    steps = []
    for step in map(dict, pipeline):
        name = step['type']
        if name == f'{OURS}RandomResizeCrop':
            steps += _split_window(step)
            continue
        if isinstance(name, str) and name.removeprefix(OURS) in NAMESAKES:
            step['type'] = name.removeprefix(OURS)
            for key in ('on_device', 'cache', 'decoder'):
                step.pop(key, None)
        steps.append(step)
    return steps


def data_preprocessor_type(pipeline: Sequence[dict]) -> str | None:
    """The data preprocessor that a pipeline needs: ours behind our PackSegInputs, None: any."""
    packs = any(step['type'] == f'{OURS}PackSegInputs' for step in pipeline)
    return f'{OURS}SegDataPreProcessor' if packs else None


def _join_windows(steps: list[dict]) -> list[dict]:
    """Puts ``RandomResizeCrop`` in the place of the transforms that it joins."""
    joined: list[dict] = []
    for step in steps:
        if not _joins(step, 'RandomCrop'):
            joined.append(step)
            continue
        before = joined[-1] if joined else {}
        window = dict(type=f'{OURS}RandomResizeCrop')
        if _joins(before, 'RandomResize') or _joins(before, 'Resize'):
            joined.pop()
            window.update((key, before[key]) for key in before if key != 'type')
            # mmcv's resizing is free of the aspect ratio unless told otherwise
            window.setdefault('keep_ratio', False)
            if window['keep_ratio']:
                del window['keep_ratio']
        window.update((key, step[key]) for key in step if key != 'type')
        joined.append(window)
    return _fold_padding(joined)


def _fold_padding(steps: list[dict]) -> list[dict]:
    kept: list[dict] = []
    window = None
    for step in steps:
        if step['type'] == f'{OURS}RandomResizeCrop':
            window = step
        elif window is not None and _joins(step, 'Pad') and _pads_to(step, window['crop_size']):
            values = step.get('pad_val', 0)
            values = values if isinstance(values, dict) else dict(img=values)
            window['pad_val'] = values.get('img', 0)
            if values.get('seg', 255) != 255:
                window['seg_pad_val'] = values['seg']
            window = None
            continue
        elif _name(step) not in DEFERRED:
            window = None  # a transform between them may tell padded from not yet padded
        kept.append(step)
    return kept


def _split_window(step: dict) -> list[dict]:
    parts = []
    if step.get('scale') is not None:
        scaled = {key: step[key] for key in ('scale', 'ratio_range') if step.get(key) is not None}
        is_drawn = 'ratio_range' in scaled or not isinstance(step['scale'][0], int)
        keep = step.get('keep_ratio', True)
        parts.append(dict(type='RandomResize' if is_drawn else 'Resize', **scaled, keep_ratio=keep))
    crop = {key: step[key] for key in WINDOW_SETTINGS['RandomCrop'] if key in step}
    parts.append(dict(type='RandomCrop', **dict(sorted(crop.items(), reverse=True))))
    if step.get('pad_val') is not None:
        values = dict(img=step['pad_val'], seg=step.get('seg_pad_val', 255))
        parts.append(dict(type='Pad', size=_sides(step['crop_size'])[::-1], pad_val=values))
    return parts


def _defer(steps: list[dict]) -> None:
    if not steps or steps[-1]['type'] != f'{OURS}PackSegInputs':
        return
    left = set(DEFERRED)
    for step in reversed(steps[:-1]):
        name = _name(step)
        # one of each kind can be left, and swapped labels are swapped here
        if name not in left or step.get('swap_seg_labels'):
            return
        left.remove(name)
        step['on_device'] = True


def _joins(step: dict, name: str) -> bool:
    """Whether a step is the named transform, with settings that ours has."""
    return bool(step) and _name(step) == name and {*step} <= {'type', *WINDOW_SETTINGS[name]}


def _pads_to(step: dict, crop_size) -> bool:
    return 'size' in step and tuple(step['size'])[::-1] == _sides(crop_size)


def _sides(crop_size: int | Sequence[int]) -> tuple[int, int]:
    return (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)


def _name(step: dict) -> str:
    """The name of a transform of MMSegmentation, mmcv or ours without its scope."""
    kind = step['type']
    if not isinstance(kind, str):
        kind = f'{kind.__module__.partition(".")[0]}.{kind.__name__}'
    scope, _, name = kind.rpartition('.')
    # mmcv's own loads other labels than MMSegmentation's
    if scope not in ('', 'mmseg', 'mmcv', 'mmseg_ext') or kind == 'mmcv.LoadAnnotations':
        return kind
    return name
