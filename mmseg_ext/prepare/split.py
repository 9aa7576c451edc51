"""Splits pairs of images and label files into training, validation and test sets."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mmseg_ext.engine.errors import UsageError

from .pairs import Pair

# A UNIX time (seconds, with a fraction or with nanoseconds behind - or _, or a whole number of
# milli-, micro- or nanoseconds), or a date, with or without the time of day.
TIME = (
    r'(?<!\d)(\d{10,19})(?:[-_](\d{1,9})|(\.\d+))?(?!\d)'
    r'|(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)'
    r'(?:[-_.T ]?([0-2]\d)[-_.h]?([0-5]\d)(?:[-_.m]?([0-6]\d))?)?(?!\d)'
)
ORDERS = ('random', 'name', 'time', 'mtime')


@dataclass(frozen=True)
class Rule:
    """How to split.

    Attributes:
        val: Share (a float below 1) or number (an int) of the images for validation.
        test: The same for a test set; 0 makes none.
        by: ``random``: by a number drawn from seed and name, so that an image that is added moves
            next to nothing. ``name``, with numbers in it by size, ``time``, by the time stamp in
            the file's name, or ``mtime``, by the image's time of change: the first are train, then
            val, the last test, so that neighbouring frames of a video are in one set.
        seed: For ``random``.
        gap: Images left out before val and before test, for an order in time.
        group: Regular expression, searched in the name; names for which it (or what its brackets
            hold) finds the same stay in one set.
        time: Regular expression for the time stamp; each bracket holds a number, the first counts
            most.
    """

    val: float | int = 0.1
    test: float | int = 0
    by: str = 'random'
    seed: int = 0
    gap: int = 0
    group: str | None = None
    time: str = TIME


def split_pairs(pairs: Sequence[Pair], rule: Rule) -> dict[str, list[Pair]]:
    """Splits; the same pairs and rule always give the same sets.

    Groups are kept whole, so the sets come as near to the wanted numbers as groups allow.

    Returns:
        ``train``, ``val``, ``test`` if asked for, and ``left_out`` with a gap; sorted by name.

    Raises:
        UsageError: An option has no effect, a name has no time stamp or no group, or nothing is
            left for a set.
    """
    if rule.gap and (rule.by == 'random' or rule.group):
        what = '--group' if rule.group else '--by random'
        raise UsageError(f'--gap {rule.gap} has no effect with {what}; leave it out')
    groups = _grouped(pairs, rule)
    wanted = {
        part: _number(amount, len(pairs))
        for part, amount in (('test', rule.test), ('val', rule.val))
        if amount
    }
    if not wanted:
        raise UsageError('nothing to split: give --val or --test')
    sets, left_out = {}, []
    for part, number in wanted.items():  # from the end
        sets[part] = _take(groups, number, rule.by != 'random')
        for _ in range(min(rule.gap, len(groups))):
            left_out += groups.pop()
    sets['train'] = [pair for group in groups for pair in group]
    for part in ('train', *wanted):
        if not sets.get(part):
            raise UsageError(
                f'nothing is left for {part}: {len(pairs)} images'
                + (f' in {len(_grouped(pairs, rule))} groups' if rule.group else '')
                + f', {rule.gap} left out at each cut; ask for less'
            )
    parts = {part: sets[part] for part in ('train', 'val', 'test') if part in sets}
    if left_out:
        parts['left_out'] = left_out
    return {part: sorted(found, key=lambda pair: pair.name) for part, found in parts.items()}


def time_of(name: str, pattern: str = TIME) -> tuple[tuple[int, ...], tuple[Decimal, ...]]:
    """The time stamp in a name: which brackets of the pattern hold it, and their numbers.

    Raises:
        UsageError: There is none.
    """
    found = _compile(pattern, '--time-regex').search(name.rsplit('/', 1)[-1])
    if not found:
        raise UsageError(
            f'{name} holds no time stamp; say where it is with --time-regex, or use --by name'
        )
    texts = found.groups() or (found.group(),)
    held = tuple(index for index, text in enumerate(texts) if text is not None)
    try:
        return held, tuple(Decimal(texts[index]) for index in held)
    except ArithmeticError as error:
        raise UsageError(
            f'--time-regex {pattern} finds {found.group()} in {name}, which is no number; put '
            'brackets around the digits'
        ) from error


def _grouped(pairs: Sequence[Pair], rule: Rule) -> list[list[Pair]]:
    """The groups in the order of the rule; each pair is one where the rule has none."""
    rank = _ranking(pairs, rule)
    if not rule.group:
        return [[pair] for pair in sorted(pairs, key=lambda pair: (rank(pair), pair.name))]
    pattern = _compile(rule.group, '--group')
    groups: dict[tuple, list[Pair]] = {}
    for pair in pairs:
        found = pattern.search(pair.name)
        if not found:
            raise UsageError(f'--group {rule.group} finds nothing in {pair.name}')
        groups.setdefault(found.groups() or (found.group(),), []).append(pair)
    if rule.by == 'random':
        return [groups[key] for key in sorted(groups, key=lambda key: _draw(rule.seed, *key))]
    return sorted(groups.values(), key=lambda group: min((rank(p), p.name) for p in group))


def _ranking(pairs: Sequence[Pair], rule: Rule) -> Callable[[Pair], object]:
    if rule.by == 'name':
        return lambda pair: _natural(pair.name)
    if rule.by == 'mtime':
        return lambda pair: pair.image.stat().st_mtime_ns
    if rule.by == 'time':
        times = {pair.name: time_of(pair.name, rule.time) for pair in pairs}
        kinds = {(held, len(str(int(numbers[0])))): name for name, (held, numbers) in times.items()}
        if len(kinds) > 1 and rule.time == TIME:
            first, second = list(kinds.values())[:2]
            raise UsageError(
                f'{first} and {second} hold times of different form; say which digits count with '
                '--time-regex'
            )
        return lambda pair: times[pair.name]
    return lambda pair: _draw(rule.seed, pair.name)


def _draw(seed: int, *names: str | None) -> bytes:
    return hashlib.sha256('\0'.join([str(seed), *(name or '' for name in names)]).encode()).digest()


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts frame2 before frame10."""
    return [
        (0, int(part), '') if part.isdecimal() else (1, 0, part)
        for part in re.findall(r'\d+|\D+', name)
    ]


def _number(amount: float | int, total: int) -> int:
    return max(1, round(amount * total)) if isinstance(amount, float) else amount


def _take(groups: list[list[Pair]], wanted: int, in_order: bool) -> list[Pair]:
    """Takes groups from the end as long as that brings their number nearer to the wanted one.

    In an order it stops at the first that does not; else it goes on to smaller ones. One is taken
    in any case.
    """
    taken, kept = [], []
    while groups:
        with_it = len(taken) + len(groups[-1])
        nearer = abs(with_it - wanted) < abs(len(taken) - wanted)
        if not nearer and in_order:
            break
        (taken.extend if nearer else kept.append)(groups.pop())
    groups += reversed(kept)
    if not taken and groups:
        last = len(groups) - 1
        index = last if in_order else min(range(last + 1), key=lambda i: len(groups[i]))
        taken = groups.pop(index)
    return taken


def _compile(pattern: str, option: str) -> re.Pattern:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f'{option} {pattern} is no regular expression: {error}') from error
