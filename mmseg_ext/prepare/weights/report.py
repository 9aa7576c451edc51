"""A verdict as text."""

from .looks import Looks
from .verdict import BROKEN, Group, Verdict


def format_verdict(verdict: Verdict) -> str:
    """The table by part, what was found, the verdict and what to do next."""
    lines = [verdict.title]
    if verdict.groups:
        lines += ['', *_table(verdict)]
    faults = sorted(verdict.faults, key=lambda fault: fault.severity != BROKEN)
    found = [f'  {fault.severity}: {fault}' for fault in faults]
    notes = [f'  note: {what}' for what in verdict.notes]
    if found or notes:
        lines += ['', *found, *notes]
    said = verdict.word
    if faults:
        more = f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''
        said += f': {faults[0].what}{more}'
    lines += ['', f'verdict: {said}', *(f'next: {step}' for step in verdict.steps)]
    return '\n'.join(lines)


def _total(verdict: Verdict) -> list[Group]:
    groups = verdict.groups
    if len(groups) < 2:
        return []
    looks = [
        [
            sum(column)
            for column in zip(*(getattr(group.looks, kind) for group in groups), strict=True)
        ]
        for kind in ('norms', 'weights', 'biases')
    ]
    compared = [group.equal for group in groups if group.equal is not None]
    return [
        Group(
            'all',
            sum(group.fitting for group in groups),
            sum(group.total for group in groups),
            Looks(*looks),
            sum(compared) if compared else None,
        )
    ]


def _table(verdict: Verdict) -> list[str]:
    has_equal = any(group.equal is not None for group in verdict.groups)
    rows = [
        ['', 'tensors', 'norms', 'weights', 'biases', 'equal to'],
        ['', 'that fit', 'trained', 'trained', 'not zero', 'original'],
    ]
    for group in [*verdict.groups, *_total(verdict)]:
        looks = group.looks
        row = [group.name, f'{group.fitting}/{group.total}']
        row += ['-' if not all_ else f'{some}/{all_}'
                for some, all_ in (looks.norms, looks.weights, looks.biases)]  # fmt: skip
        row.append('-' if group.equal is None else f'{group.equal}/{group.total}')
        rows.append(row)
    columns = range(len(rows[0]) - (not has_equal))
    widths = [max(len(row[column]) for row in rows) for column in columns]
    return [
        '  '.join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]
