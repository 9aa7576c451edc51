"""Judging a file of MiT or SegFormer weights that somebody converted."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import guess_reason, shorten, weights_of
from mmseg_ext.engine.checkpoint.reading import read_checkpoint

from .comparing import EQUAL, ROUNDED, compare
from .convert import head_config, to_mmseg
from .head import NEEDED, STOCK, head_shapes, is_identity
from .judging import advise, judge_looks, judge_names, judge_prefix, judge_relations
from .looks import look
from .mit import SIZES, MiT, find_mit
from .source import HEAD, Source, find_naming, read_source
from .verdict import BROKEN, SUSPICIOUS, Fault, Group, Verdict

HEAD_PARTS = {'head: 4 stages': 'convs.', 'head: fusion': 'fusion_conv.', 'classes': 'conv_seg.'}
WIDTH = 768  # of the paper's heads from B2 on; MMSegmentation's configs have 256 throughout


def verify(file: Path, against: Path | None = None, unsafe: bool = False) -> Verdict:
    """Judges a file that is meant for MMSegmentation.

    Args:
        file: Backbone alone or whole SegFormer.
        against: What it was made of: Hugging Face's, the authors' or a right MMSegmentation file.
        unsafe: As for ``read_checkpoint``.

    Raises:
        UsageError: A file does not read, or the original is none.
    """
    content = read_checkpoint(file, unsafe=unsafe)
    weights = weights_of(content, ('state_dict', 'model'))
    original = read_source(against, unsafe) if against else None
    naming = find_naming(weights)
    prefix = _find_prefix(weights)
    own = {n[len(prefix) :]: t for n, t in weights.items() if n.startswith(prefix)}
    if not any(re.match(r'layers\.\d+\.', name) for name in own) or naming not in ('mmseg', None):
        return _judge_foreign(file, weights, naming)
    own = {name: tensor for name, tensor in own.items() if name.startswith('layers.')}
    mit = _closest(own)
    verdict = Verdict(f'{file}: {mit}, {len(weights)} tensors')
    right = to_mmseg(original, backbone_only=True) if original else {}
    relations = compare(own, right)
    shapes = mit.shapes()
    for stage in range(4):
        inside = {n: s for n, s in shapes.items() if n.startswith(f'layers.{stage}.')}
        verdict.groups.append(_group(f'stage {stage + 1}', inside, own, original and relations))
    judge_names(verdict, shapes, own)
    if original and original.mit != mit:
        verdict.faults.append(Fault(BROKEN, f'the original is {original.mit}, this is {mit}'))
    meta = content.get('meta')
    _judge_head(verdict, mit, weights, relations, original, meta if isinstance(meta, dict) else {})
    judge_looks(verdict)
    judge_relations(verdict, relations)
    advise(verdict, file, original)
    judge_prefix(verdict, file, weights, prefix)
    return verdict


def _find_prefix(weights: Mapping[str, Tensor]) -> str:
    found = (re.match(r'(.*?)layers\.\d+\.[012]\.', name) for name in weights)
    prefixes = Counter(match[1] for match in found if match)
    return prefixes.most_common(1)[0][0] if prefixes else ''


def _closest(own: Mapping[str, Tensor]) -> MiT:
    """The network whose names and shapes the tensors fit best."""
    found = find_mit(own, 'mmseg')
    candidates = [*SIZES.values(), *([found] if found else [])]

    def fit(mit: MiT) -> int:
        shapes = mit.shapes()
        fitting = sum(name in own and own[name].shape == shape for name, shape in shapes.items())
        return 2 * fitting - len(shapes)

    return max(candidates, key=fit)


def _group(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    own: Mapping[str, Tensor],
    relations: Mapping[str, str] | None,
) -> Group:
    there = {key: own[key] for key in shapes if key in own}
    return Group(
        name,
        sum(tensor.shape == shapes[key] for key, tensor in there.items()),
        len(shapes),
        look(there),
        None if relations is None else sum(
            relations.get(key) in (EQUAL, ROUNDED) for key in shapes
        ),
    )  # fmt: skip


def _judge_foreign(file: Path, weights: Mapping[str, Tensor], naming: str | None) -> Verdict:
    verdict = Verdict(f'{file}: no MiT in the names of MMSegmentation, {len(weights)} tensors')
    reason = guess_reason([], list(weights)) if weights else 'it holds no tensors'
    shown = f'its names are {shorten(list(weights))}'
    verdict.faults.append(Fault(BROKEN, f'0 tensors would load: {reason or shown}'))
    if naming is None:
        verdict.steps.append('take a file of a MiT, from one of the sources in docs/weights.md')
    return verdict


def _judge_head(
    verdict: Verdict,
    mit: MiT,
    weights: Mapping[str, Tensor],
    relations: dict[str, str],
    original: Source | None,
    meta: Mapping,
) -> None:
    """Adds the head's parts, and what its layout asks of the config."""
    head = {n[len(HEAD) :]: t for n, t in weights.items() if n.startswith(HEAD)}
    classifier = head.get('conv_seg.weight')
    if not head:
        return
    if classifier is None or classifier.ndim != 4 or 'fusion_conv.conv.weight' not in head:
        verdict.notes.append('its head is no SegformerHead, and was not judged')
        return
    classes, width = classifier.shape[:2]
    shapes = head_shapes(mit.channels, width, classes)
    if original and original.head:
        right = to_mmseg(original)
        right = {n[len(HEAD) :]: t for n, t in right.items() if n.startswith(HEAD)}
        relations |= (found := compare(head, right))
    else:
        found = None
    for name, start in HEAD_PARTS.items():
        inside = {n: s for n, s in shapes.items() if n.startswith(start)}
        verdict.groups.append(_group(name, inside, head, found))
    counters = {n: t for n, t in head.items() if not t.is_floating_point()}
    judge_names(verdict, shapes, {n: t for n, t in head.items() if n not in counters})
    is_identity_head = all(is_identity(head, f'convs.{stage}.bn') for stage in range(4))
    cfg = head_config(meta) or {}
    if is_identity_head:
        verdict.notes.append(
            "its head is Hugging Face's or the authors': the config needs "
            f'decode_head=dict(channels={width}, act_cfg=None, num_classes={classes})'
        )
        if cfg and cfg.get('act_cfg', STOCK['act_cfg']) != NEEDED['act_cfg']:
            verdict.faults.append(Fault(SUSPICIOUS, 'its config has no act_cfg=None in the head'))
    if mit.channels[0] > 32 and sum(mit.depths) > 8 and width != WIDTH:
        verdict.notes.append(
            f"its head has {width} channels; the paper has {WIDTH} for {mit}, MMSegmentation's "
            'own configs have 256'
        )
