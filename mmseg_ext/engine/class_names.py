"""Names of classes that a user gave."""

import difflib
from collections.abc import Sequence

from .errors import UsageError


def find_classes(chosen: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Finds the places of names; spaces around them do not count, as in ADE20K's ``'bed '``.

    Args:
        chosen: Names.
        classes: All names of the data set.

    Returns:
        The place of each of ``chosen``.

    Raises:
        UsageError: The data set has no class of that name.
    """
    names = [name.strip() for name in classes]
    for name in chosen:
        if name.strip() not in names:
            nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
            raise UsageError(f'the data set has no class {name}; it has {", ".join(nearest)}')
    return [names.index(name.strip()) for name in chosen]
