"""Names and colours of the classes of a checkpoint."""

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
    """Finds class names and palette: those given, else the checkpoint's, else the config's.

    Args:
        given: Names, or None.
        meta: The checkpoint's ``meta``.
        cfg: The config, whose data sets may name classes.
        channels: Classes of the network, None where that is not known.
        source: The checkpoint, for messages.

    Returns:
        ``classes``, ``palette`` (RGB triples), and what else the data set's metainfo tells of its
        label files.

    Raises:
        UsageError: There are no names, or not one for each class of the network.
    """
    origin, found = '--class-names', dict(classes=tuple(given)) if given else {}
    if not found:
        origin, found = f"{source}'s dataset_meta", _of_checkpoint(meta)
    if not found:
        origin, found = 'the data set of the config', _of_config(cfg)
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


def _of_checkpoint(meta: Mapping) -> dict:
    metainfo = dict(meta.get('dataset_meta') or {})
    # as mmcv 1.x kept them
    classes = metainfo.get('classes') or meta.get('CLASSES')
    palette = metainfo.get('palette', meta.get('PALETTE'))
    return dict(metainfo, classes=tuple(classes), palette=_triples(palette)) if classes else {}


def _of_config(cfg: Config) -> dict:
    for split in ('test', 'val', 'train'):
        loader = cfg.get(f'{split}_dataloader') or {}
        for _, dataset in find_dicts(loader.get('dataset'), 'type'):
            own = getattr(class_of(dataset, DATASETS), 'METAINFO', {})
            metainfo = {**own, **(dataset.get('metainfo') or {})}
            if metainfo.get('classes'):
                reduced = dataset.get('reduce_zero_label', False)
                classes, palette = tuple(metainfo['classes']), _triples(metainfo.get('palette'))
                return dict(classes=classes, palette=palette, reduce_zero_label=reduced)
    return {}


def _triples(palette) -> list[list[int]] | None:
    """A palette as lists; None if it is none."""
    if palette is None or isinstance(palette, str):
        return None
    colours = np.asarray(palette)
    return colours.tolist() if colours.ndim == 2 and colours.shape[1] == 3 else None
