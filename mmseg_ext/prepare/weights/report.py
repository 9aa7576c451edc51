"""A verdict as text."""

from .verdict import SOUND, Verdict


def format_verdict(verdict: Verdict) -> str:
    """The table by part, what was found, the verdict and what to do next."""
    lines = [verdict.title]
    if verdict.groups:
        lines += ['', *_table(verdict)]
    found = [f'  {severity}: {what}' for severity, what in verdict.faults]
    notes = [f'  note: {what}' for what in verdict.notes]
    if found or notes:
        lines += ['', *found, *notes]
    said = verdict.word
    if said != SOUND:
        # the heaviest first; of a sentence with a list of names the part before it
        first = next(what for severity, what in verdict.faults if severity == said)
        said += f': {first}'
        more = len(verdict.faults) - 1
        said += f' (and {more} more)' if more else ''
    lines += ['', f'verdict: {said}', *(f'next: {step}' for step in verdict.steps)]
    return '\n'.join(lines)


def _table(verdict: Verdict) -> list[str]:
    has_equal = any(group.equal is not None for group in verdict.groups)
    rows = [
        ['', 'tensors', 'norms', 'weights', 'biases', 'equal to'],
        ['', 'that fit', 'trained', 'trained', 'not zero', 'original'],
    ]
    for group in verdict.groups:
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
