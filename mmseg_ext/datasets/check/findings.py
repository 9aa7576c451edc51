"""What a check has to say."""

from collections.abc import Sequence
from dataclasses import dataclass, field

FAULT, WARNING, NOTE = 'fault', 'warning', 'note'


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: ``fault``: training or its numbers would be wrong; ``warning``: they may be;
            ``note``: as it should be, but good to know.
        kind: Name for programs that read the report, ``missing-mask`` for one.
        where: Dotted path of the dataset in the config, or the name of a split.
        message: One line: what, how much, and the way out.
        items: The files, one line each.
    """

    severity: str
    kind: str
    where: str
    message: str
    items: Sequence[str] = field(default=())


def count(number: int, noun: str, plural: str = '') -> str:
    """A number and its noun: ``1 image``, ``1,200 images``."""
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'
