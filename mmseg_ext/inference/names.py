"""Names and colours of the classes of a checkpoint."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_ext.engine.config import class_of, find_dicts
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.palette import voc_palette

WAY_OUT = 'give them with --class-names FILE (a name a line) or --class-names NAME NAME ...'


def find_metainfo(
    given: Sequence[str] | None, meta: Mapping, cfg: Config, channels: int | None, source: str
) -> dict:
    """Finds names and colours of classes, and how label files count them.

    The checkpoint's come first, else the config's; names that are given take the place of theirs.

    Args:
        given: Names, or None.
        meta: The checkpoint's ``meta``.
        cfg: The config, whose data sets may name classes.
        channels: Classes of the network, None where that is not known.
        source: The checkpoint, for messages.

    Returns:
        ``classes``, ``palette`` (RGB triples), and what else the data set's metainfo tells of its
        label files; no ``reduce_zero_label`` where nothing tells it.

    Raises:
        UsageError: There are no names, or not one for each class of the network.
    """
    configured = _of_config(cfg)
    origin, found = f"{source}'s dataset_meta", _of_checkpoint(meta, configured)
    if not found:
        origin, found = 'the data set of the config', configured
    if given:
        same_classes = len(given) == len(found.get('classes', ()))
        origin = '--class-names'
        found = {**(found if same_classes else {}), 'classes': tuple(given)}
    if not found:
        network = 'the network' if channels is None else f"the network's {channels} classes"
        raise UsageError(
            f'{source} holds no class names, nor does the config; for {network} {WAY_OUT}'
        )
    classes = found['classes']
    if channels is not None and len(classes) != channels:
        first = ', '.join(classes[:3]) + (', ...' if classes[3:] else '')
        raise UsageError(
            f'{origin} names {len(classes)} classes ({first}), the network has {channels}; '
            f'{WAY_OUT}'
        )
    palette = found.get('palette')
    if palette is None or len(palette) != len(classes):
        found['palette'] = make_palette(len(classes))
    return found


def make_palette(num_classes: int) -> list[list[int]]:
    """Colours for classes without: VOC's, which differ most, but for the black of its first."""
    colours = voc_palette()[1:255].tolist()
    return [colours[index % len(colours)] for index in range(num_classes)]


def read_class_names(words: Sequence[str] | None) -> list[str] | None:
    """Reads ``--class-names``: names, or one file with a name a line.

    Raises:
        UsageError: The file is missing or no text, or a name occurs twice.
    """
    if not words:
        return None
    names = list(words)
    if len(words) == 1 and (Path(words[0]).is_file() or Path(words[0]).suffix == '.txt'):
        try:
            lines = Path(words[0]).read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f'--class-names {words[0]} does not read: {error}') from error
        names = [line.strip() for line in lines if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f'--class-names has {twice[0]!r} twice')
    return names


def _of_checkpoint(meta: Mapping, configured: Mapping) -> dict:
    metainfo = dict(meta.get('dataset_meta') or {})
    # as mmcv 1.x kept them
    classes = metainfo.get('classes') or meta.get('CLASSES')
    if not classes:
        return {}
    palette = metainfo.get('palette', meta.get('PALETTE'))
    found = dict(metainfo, classes=tuple(classes), palette=_triples(palette))
    if 'reduce_zero_label' not in found:
        same_classes = found['classes'] == configured.get('classes')
        keys = ('reduce_zero_label', *(('label_map',) if same_classes else ()))
        found = {key: configured[key] for key in keys if key in configured} | found
    return found


def _of_config(cfg: Config) -> dict:
    """What the metainfo of the config's data set would hold; its files need not be here."""
    for split in ('test', 'val', 'train'):
        loader = cfg.get(f'{split}_dataloader') or {}
        for _, dataset in find_dicts(loader.get('dataset'), 'type'):
            kind = class_of(dataset, DATASETS)
            own = getattr(kind, 'METAINFO', {})
            metainfo = {**own, **(dataset.get('metainfo') or {})}
            if not metainfo.get('classes'):
                continue
            found = dict(classes=tuple(metainfo['classes']))
            if set(found['classes']) <= set(own.get('classes', ())):
                found['label_map'] = kind.get_label_map(found['classes'])
            found['palette'] = _triples(metainfo.get('palette'))
            if found.get('label_map') and len(found['palette'] or ()) == len(own['classes']):
                places = [list(own['classes']).index(name) for name in found['classes']]
                found['palette'] = [found['palette'][place] for place in places]
            reduced = dataset.get('reduce_zero_label', _default_of(kind, 'reduce_zero_label'))
            return found if reduced is None else dict(found, reduce_zero_label=reduced)
    return {}


def _default_of(kind: type | None, name: str):
    """The default of an argument of a class, which may be that of a class it derives from."""
    for each in getattr(kind, '__mro__', ()):
        argument = inspect.signature(each.__init__).parameters.get(name)
        if argument is not None:
            return argument.default
    return None


def _triples(palette) -> list[list[int]] | None:
    """A palette as lists; None if it is none."""
    if palette is None or isinstance(palette, str):
        return None
    colours = np.asarray(palette)
    return colours.tolist() if colours.ndim == 2 and colours.shape[1] == 3 else None
