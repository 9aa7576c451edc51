"""From what a file holds to what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from .comparing import EQUAL, NEAR, OTHER, ROUNDED
from .source import HEAD, Source
from .verdict import BROKEN, SOUND, SUSPICIOUS, Fault, Verdict


def judge_names(
    verdict: Verdict, shapes: Mapping[str, tuple[int, ...]], own: Mapping[str, Tensor]
) -> None:
    """Adds what is missing, of another shape, or of no use.

    Args:
        verdict: To add to.
        shapes: Of the network's tensors, or of its head's.
        own: The file's, under the same names.
    """
    missing = [name for name in shapes if name not in own]
    if missing:
        here = f'{len(missing)} of {len(shapes)} tensors'
        verdict.faults.append(
            Fault(BROKEN, f'{here} are missing and would stay as initialised', missing)
        )
    misshaped = [
        f'{name} {tuple(own[name].shape)} for {shape}'
        for name, shape in shapes.items()
        if name in own and own[name].shape != shape
    ]
    if misshaped:
        flat = [n for n, s in shapes.items() if n in own and (*own[n].shape, 1, 1) == s]
        what = f'{len(misshaped)} tensors have another shape and would not load'
        what += ' (linear layers that should be 1x1 convolutions)' if flat else ''
        verdict.faults.append(Fault(BROKEN, what, misshaped))
    unexpected = [name for name in own if name not in shapes]
    if unexpected:
        what = f'{len(unexpected)} tensors have no place in the network'
        verdict.faults.append(Fault(SUSPICIOUS, what, unexpected))


def judge_prefix(verdict: Verdict, file: Path, weights: Mapping[str, Tensor], prefix: str) -> None:
    """Adds what stands before the backbone's names, and what that asks of ``init_cfg``.

    Args:
        verdict: To add to.
        file: The file.
        weights: All its tensors.
        prefix: What stands there.
    """
    has_head = any(name.startswith(HEAD) for name in weights)
    if prefix == 'backbone.' and has_head:
        verdict.notes.append(
            "a whole network: for load_from; as a backbone's init_cfg it needs prefix='backbone.'"
        )
    elif prefix:
        what = f'all names begin with {prefix!r}: init_cfg without that prefix would load nothing'
        verdict.faults.append(Fault(SUSPICIOUS, what))
        verdict.steps.append(
            f"init_cfg=dict(type='Pretrained', checkpoint='{file}', prefix={prefix!r})"
        )


def judge_looks(verdict: Verdict) -> None:
    """Adds the parts that look as initialised, or cannot work."""
    for group in verdict.groups:
        looks, here = group.looks, group.name
        if looks.broken:
            what = f'{here}: tensors that cannot work'
            verdict.faults.append(Fault(BROKEN, what, looks.broken))
        if looks.untouched:
            layers = looks.norms[1] + looks.weights[1]
            what = f'{here}: {len(looks.untouched)} of {layers} layers look as initialised'
            verdict.faults.append(
                Fault(SUSPICIOUS, f'{what}, or hardly trained since', looks.untouched)
            )
        if looks.zero_biases:
            what = f'{here}: biases of exact zeros beside trained weights, lost on the way'
            verdict.faults.append(Fault(SUSPICIOUS, what, looks.zero_biases))


def judge_relations(verdict: Verdict, relations: Mapping[str, str]) -> None:
    """Adds where the numbers are not the original's, fault by fault.

    Args:
        verdict: To add to.
        relations: From ``compare``.
    """
    wrong: dict[str, list[str]] = {}
    for name, relation in relations.items():
        if relation not in (EQUAL, ROUNDED):
            wrong.setdefault(relation, []).append(name)
    holds = [f'{n} {r}' for r, names in wrong.items() if r.startswith('holds') for n in names]
    if holds:
        what = f'{len(holds)} tensors under the name of another'
        verdict.faults.append(Fault(BROKEN, what, holds))
    for relation, names in wrong.items():
        if relation.startswith(('holds', 'has shape')):
            continue  # the former is said above, the latter by the shapes
        here = f'{len(names)} of {len(relations)} tensors'
        if relation == NEAR:
            what = f'{here} are near the original and not equal: trained on, or another release'
            verdict.faults.append(Fault(SUSPICIOUS, what, names))
        elif relation == OTHER:
            what = f"{here} have other numbers than the original's"
            verdict.faults.append(Fault(BROKEN, what, names))
        else:
            verdict.faults.append(Fault(BROKEN, f'{here}: {relation}', names))
    rounded = sum(relation == ROUNDED for relation in relations.values())
    if rounded:
        verdict.notes.append(f'{rounded} tensors equal the original but for rounding')


def advise(verdict: Verdict, file: Path, original: Source | None) -> None:
    """Adds what to do next."""
    if verdict.word == SOUND:
        if original is None:
            verdict.steps.append(
                'names and looks are right; --against ORIGINAL compares every number as well'
            )
        return
    if verdict.groups and all(group.equal == group.total for group in verdict.groups):
        verdict.steps.append(
            f'the conversion is right; {original.path} itself is at fault: get it anew'
        )
    elif original and original.naming == 'mmseg':
        verdict.steps.append(f'take {original.path} itself')
    elif original:
        tool = 'nvidia_mit2mmseg.py' if original.naming == 'nvidia' else 'hf_mit2mmseg.py'
        verdict.steps.append(f'convert the original anew: {tool} {original.path} NEW.pth')
    else:
        verdict.steps.append('compare it with what it was made of: --against ORIGINAL')
        verdict.steps.append('or convert the original anew: hf_mit2mmseg.py ORIGINAL NEW.pth')
    verdict.steps.append(
        f'repeat what was trained from {file.name}: it began from other weights than it seemed'
    )
