"""Names of classes that a user gave."""

import difflib
from collections.abc import Sequence

from .errors import UsageError


def find_classes(
    words: Sequence[str], known: Sequence[str], owner: str = 'the data set'
) -> list[int]:
    """Finds classes by their names, however a shell or a config split them; case does not count.

    Args:
        words: Each may be a name, a part of one, or hold several with commas between them.
        known: All names; they may contain spaces and commas.
        owner: Whose names they are, for the errors.

    Returns:
        The places of those found in ``known``, each once, ascending.

    Raises:
        UsageError: None, or an unknown one, with the nearest names.
    """
    places = {_plain(name): place for place, name in enumerate(known)}
    segments, found = [[]], set()
    for word in words:
        if _plain(word) in places:
            segments[-1].append(_plain(word))  # a name may contain a comma
            continue
        first, *others = word.split(',')
        segments[-1] += _plain(first).split()
        segments += [_plain(other).split() for other in others]
    for segment in segments:
        start = 0
        while start < len(segment):
            # the longest name that begins here
            names = [' '.join(segment[start:end]) for end in range(len(segment), start, -1)]
            name = next((each for each in names if each in places), None)
            if name is None:
                raise UsageError(f'{owner} has no class {names[0]!r}; {_hint(names[0], known)}')
            found.add(places[name])
            start += len(names) - names.index(name)
    if not found:
        raise UsageError(f'no class is named; {owner} has {_list(known)}')
    return sorted(found)


def name_twice(known: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first name that occurs twice, as ``find_classes`` compares; or None."""
    places = {}
    for place, name in enumerate(map(_plain, known)):
        if name in places:
            return places[name], place
        places[name] = place
    return None


def of_classes(chosen: Sequence | None, known: Sequence) -> str:
    """What follows a mean in a title: which part of the classes it is over; empty for all."""
    if chosen is None or len(chosen) == len(known):
        return ''
    return f' over {len(chosen)} of {len(known)} classes'


def _hint(name: str, known: Sequence[str]) -> str:
    by_plain = {_plain(each): each.strip() for each in known}
    nearest = difflib.get_close_matches(name, by_plain, n=3, cutoff=0.5)
    if not nearest:
        return f'there are {_list(known)}'
    return f'did you mean {" or ".join(by_plain[each] for each in nearest)}?'


def _list(known: Sequence[str]) -> str:
    return ', '.join(each.strip() for each in known)


def _plain(name: str) -> str:
    return ' '.join(name.lower().split())
