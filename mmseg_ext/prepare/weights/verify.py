"""Judging a file of MiT or SegFormer weights that somebody converted."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmseg_ext.engine.checkpoint.matching import guess_reason, shorten, weights_of
from mmseg_ext.engine.checkpoint.reading import read_checkpoint

from .comparing import EQUAL, NEAR, OTHER, ROUNDED, compare
from .convert import head_config, to_mmseg
from .head import NEEDED, STOCK, head_shapes, is_identity
from .looks import Looks, look
from .mit import SIZES, MiT, find_mit
from .source import HEAD, Source, find_naming, read_source

SOUND, SUSPICIOUS, BROKEN = 'sound', 'suspicious', 'broken'
HEAD_PARTS = {'head: 4 stages': 'convs.', 'head: fusion': 'fusion_conv.', 'classes': 'conv_seg.'}
WIDTH = 768  # of the paper's heads from B2 on; MMSegmentation's configs have 256 throughout


@dataclasses.dataclass
class Group:
    """A part of the network: a stage of the backbone, or a piece of the head.

    Attributes:
        name: What to call it.
        fitting: Number of tensors of the right name and shape.
        total: Number of tensors that the network has there.
        looks: What they look like.
        equal: With an original, the number of tensors that equal it.
    """

    name: str
    fitting: int
    total: int
    looks: Looks
    equal: int | None = None


@dataclasses.dataclass
class Verdict:
    """What a file is worth.

    Attributes:
        title: The file and what it is.
        groups: Its parts.
        faults: Severity (``SUSPICIOUS``, ``BROKEN``) and what is wrong.
        notes: What is worth knowing and no fault.
        steps: What to do next.
    """

    title: str
    groups: list[Group] = dataclasses.field(default_factory=list)
    faults: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    steps: list[str] = dataclasses.field(default_factory=list)

    @property
    def word(self) -> str:
        """``sound``, ``suspicious`` or ``broken``."""
        found = [severity for severity, _ in self.faults]
        return next((word for word in (BROKEN, SUSPICIOUS) if word in found), SOUND)


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
    _judge_names(verdict, shapes, own)
    if original and original.mit != mit:
        verdict.faults.append((BROKEN, f'the original is {original.mit}, this is {mit}'))
    meta = content.get('meta')
    _judge_head(verdict, mit, weights, relations, original, meta if isinstance(meta, dict) else {})
    _judge_looks(verdict)
    _judge_relations(verdict, relations)
    _advise(verdict, file, against)
    _judge_prefix(verdict, file, weights, prefix)
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
    verdict.faults.append((BROKEN, f'0 tensors would load: {reason or shown}'))
    if naming is None:
        verdict.steps.append('take a file of a MiT, from one of the sources in docs/weights.md')
    return verdict


def _judge_names(
    verdict: Verdict, shapes: Mapping[str, tuple[int, ...]], own: Mapping[str, Tensor]
) -> None:
    missing = [name for name in shapes if name not in own]
    if missing:
        verdict.faults.append((
            BROKEN,
            f'{len(missing)} of {len(shapes)} tensors are missing and would stay as initialised: '
            f'{shorten(missing)}',
        ))  # fmt: skip
    misshaped = [
        f'{name} {tuple(own[name].shape)} for {shape}'
        for name, shape in shapes.items()
        if name in own and own[name].shape != shape
    ]
    if misshaped:
        flat = [n for n, s in shapes.items() if n in own and (*own[n].shape, 1, 1) == s]
        why = ' (linear layers that should be 1x1 convolutions)' if flat else ''
        verdict.faults.append((
            BROKEN,
            f'{len(misshaped)} tensors have another shape and would not load{why}: '
            f'{shorten(misshaped)}',
        ))  # fmt: skip
    unexpected = [name for name in own if name not in shapes]
    if unexpected:
        verdict.faults.append((
            SUSPICIOUS,
            f'{len(unexpected)} tensors have no place in the network: {shorten(unexpected)}',
        ))  # fmt: skip


def _judge_prefix(verdict: Verdict, file: Path, weights: Mapping[str, Tensor], prefix: str) -> None:
    has_head = any(name.startswith(HEAD) for name in weights)
    if prefix == 'backbone.' and has_head:
        verdict.notes.append(
            "a whole network: for load_from; as a backbone's init_cfg it needs prefix='backbone.'"
        )
    elif prefix:
        verdict.faults.append((
            SUSPICIOUS,
            f'all names begin with {prefix!r}: as init_cfg without prefix={prefix!r}, nothing '
            'would load',
        ))  # fmt: skip
        verdict.steps.append(
            f"init_cfg=dict(type='Pretrained', checkpoint='{file}', prefix={prefix!r})"
        )


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
    _judge_names(verdict, shapes, {n: t for n, t in head.items() if n not in counters})
    is_identity_head = all(is_identity(head, f'convs.{stage}.bn') for stage in range(4))
    cfg = head_config(meta) or {}
    if is_identity_head:
        verdict.notes.append(
            "its head is Hugging Face's or the authors': the config needs "
            f'decode_head=dict(channels={width}, act_cfg=None, num_classes={classes})'
        )
        if cfg and cfg.get('act_cfg', STOCK['act_cfg']) != NEEDED['act_cfg']:
            verdict.faults.append((SUSPICIOUS, 'its config has no act_cfg=None in the head'))
    if mit.channels[0] > 32 and sum(mit.depths) > 8 and width != WIDTH:
        verdict.notes.append(
            f"its head has {width} channels; the paper has {WIDTH} for {mit}, MMSegmentation's "
            'own configs have 256'
        )


def _judge_looks(verdict: Verdict) -> None:
    for group in verdict.groups:
        looks = group.looks
        if looks.broken:
            what = f'{group.name}: no weights that can work: {shorten(looks.broken)}'
            verdict.faults.append((BROKEN, what))
        if looks.untouched:
            layers = looks.norms[1] + looks.weights[1]
            verdict.faults.append((
                SUSPICIOUS,
                f'{group.name}: {len(looks.untouched)} of {layers} layers look as initialised, or '
                f'hardly trained since: {shorten(looks.untouched)}',
            ))  # fmt: skip
        if looks.zero_biases:
            what = f'{group.name}: biases of exact zeros beside trained weights, lost on the way: '
            verdict.faults.append((SUSPICIOUS, what + shorten(looks.zero_biases)))


def _judge_relations(verdict: Verdict, relations: Mapping[str, str]) -> None:
    wrong: dict[str, list[str]] = {}
    for name, relation in relations.items():
        if relation not in (EQUAL, ROUNDED):
            wrong.setdefault(relation, []).append(name)
    holds = [f'{n} {r}' for r, names in wrong.items() if r.startswith('holds') for n in names]
    if holds:
        what = f'{len(holds)} tensors under the name of another: {shorten(holds)}'
        verdict.faults.append((BROKEN, what))
    for relation, names in wrong.items():
        if relation.startswith(('holds', 'has shape')):
            continue  # the former is said above, the latter by the shapes
        here = f'{len(names)} of {len(relations)} tensors'
        if relation == NEAR:
            what = f'{here} are near the original and not equal: trained on, or another release'
            verdict.faults.append((SUSPICIOUS, f'{what}: {shorten(names)}'))
        elif relation == OTHER:
            what = f"{here} have other numbers than the original's: {shorten(names)}"
            verdict.faults.append((BROKEN, what))
        else:
            verdict.faults.append((BROKEN, f'{here}: {relation}: {shorten(names)}'))
    rounded = sum(relation == ROUNDED for relation in relations.values())
    if rounded:
        verdict.notes.append(f'{rounded} tensors equal the original but for rounding')


def _advise(verdict: Verdict, file: Path, against: Path | None) -> None:
    if verdict.word == SOUND:
        if against is None:
            verdict.steps.append(
                'names and looks are right; --against ORIGINAL compares every number as well'
            )
        return
    if against:
        verdict.steps.append(f'convert the original anew: hf_mit2mmseg.py {against} NEW.pth')
    else:
        verdict.steps.append('compare it with what it was made of: --against ORIGINAL')
        verdict.steps.append('or convert the original anew: hf_mit2mmseg.py ORIGINAL NEW.pth')
    verdict.steps.append(
        f'repeat what was trained from {file.name}: it began from other weights than it seemed'
    )
