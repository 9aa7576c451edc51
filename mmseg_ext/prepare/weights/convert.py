"""Conversion of MiT and SegFormer between MMSegmentation and the others."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import shorten
from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError

from .head import NEEDED, head_from_mmseg, head_to_mmseg
from .names import PATCH_SIZES, SHARES
from .source import HEAD, WHOSE, Source

# where this package's converters put what they made into a checkpoint's meta
CONVERTED = 'converted'


def to_mmseg(source: Source, backbone_only: bool = False) -> dict[str, Tensor]:
    """Converts to MMSegmentation's names and layout.

    Args:
        source: Anybody's; MMSegmentation's own is checked and passed on.
        backbone_only: Leave the head out.

    Returns:
        A backbone alone under its own names, for ``init_cfg``; with a head all of it, under
        ``backbone.`` and ``decode_head.``, for ``load_from``.

    Raises:
        UsageError: A tensor is missing, of another shape, or of no use.
    """
    backbone, used = {}, set()
    for entry in source.mit.entries(source.naming):
        parts = [_take(source, name) for name in entry.sources]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts)
        if source.naming != 'mmseg' and (*joined.shape, 1, 1) == entry.shape:
            joined = joined[..., None, None]
        if joined.shape != entry.shape:
            raise UsageError(
                f'{source.path}: {entry.sources[0]} makes {tuple(joined.shape)}, {source.mit} has '
                f'{entry.shape}'
            )
        backbone[entry.name] = joined
        used.update(entry.sources)
    _refuse_rest(source, source.backbone, used)
    if backbone_only or not source.head:
        return backbone
    head = dict(source.head)
    if source.naming != 'mmseg':
        head, used = head_to_mmseg(source.head, source.naming)
        _refuse_rest(source, source.head, used)
    return {f'backbone.{name}': tensor for name, tensor in backbone.items()} | {
        f'{HEAD}{name}': tensor for name, tensor in head.items()
    }


def to_others(source: Source, naming: str, backbone_only: bool = False) -> dict[str, Tensor]:
    """Converts MMSegmentation's weights to Hugging Face's or the authors' names and layout.

    Args:
        source: MMSegmentation's.
        naming: ``hub``, ``transformers`` or ``nvidia``.
        backbone_only: Leave the head out.

    Returns:
        A backbone alone under its own names; with a head all of it, ``segformer.`` or ``backbone.``
        before the backbone's.

    Raises:
        UsageError: As for ``to_mmseg``; or the head has no equivalent.
    """
    checked = to_mmseg(source, backbone_only=True)
    backbone = {}
    for entry in source.mit.entries(naming):
        tensor = checked[entry.name]
        if entry.name.endswith(('ffn.layers.0.weight', 'ffn.layers.4.weight')):
            tensor = tensor.flatten(1)
        shares = SHARES[len(entry.sources)]
        rows = [len(tensor) * share // sum(shares) for share in shares]
        backbone |= dict(zip(entry.sources, tensor.split(rows), strict=True))
    if backbone_only or not source.head:
        return backbone
    head, used = head_from_mmseg(source.head, naming, head_config(source.meta))
    _refuse_rest(source, source.head, used)
    prefix = 'backbone.' if naming == 'nvidia' else 'segformer.'
    return {f'{prefix}{name}': tensor for name, tensor in backbone.items()} | {
        f'{HEAD}{name}': tensor for name, tensor in head.items()
    }


def head_config(meta: Mapping) -> dict | None:
    """The decode head's config that a checkpoint carries, read as data; None: it carries none."""
    if meta.get(CONVERTED):
        return dict(type='SegformerHead', **(meta[CONVERTED].get('decode_head') or {}))
    if not isinstance(meta.get('cfg'), str):
        return None
    head = (parse_config_text(meta['cfg']).get('model') or {}).get('decode_head')
    return head if isinstance(head, dict) else None


def describe(source: Source, weights: Mapping[str, Tensor]) -> dict:
    """What a converted file says of itself: where it comes from, and the config that it needs.

    Args:
        source: What it was made of.
        weights: What was made of it, in MMSegmentation's names.
    """
    mit = source.mit
    backbone = dict(
        embed_dims=mit.channels[0], num_layers=list(mit.depths), num_heads=mit.num_heads,
        patch_sizes=list(PATCH_SIZES), sr_ratios=list(mit.ratios), in_channels=mit.in_channels,
    )  # fmt: skip
    if source.naming in ('hub', 'transformers'):
        backbone['norm_cfg'] = dict(type='LN', eps=1e-5)
    head = dict(in_channels=list(mit.channels))
    classifier = weights.get(f'{HEAD}conv_seg.weight')
    if classifier is not None:
        classes, width = classifier.shape[:2]
        head |= dict(channels=width, num_classes=classes, **NEEDED)
    return dict(
        network=str(mit),
        names_of=WHOSE[source.naming],
        sha256=source.sums,
        backbone=backbone,
        decode_head=head,
    )


def _take(source: Source, name: str) -> Tensor:
    if name not in source.backbone:
        raise UsageError(
            f'{source.path} lacks {source.prefix}{name}, which {source.mit} of '
            f'{WHOSE[source.naming]} has: it was cut off, or converted in part'
        )
    return source.backbone[name]


def _refuse_rest(source: Source, weights: Mapping[str, Tensor], used: set[str]) -> None:
    rest = [name for name in weights if name not in used]
    if rest:
        raise UsageError(f'{source.path} holds what {source.mit} has no use for: {shorten(rest)}')
