"""What is found out about a file of weights."""

import dataclasses
from collections.abc import Sequence

from mmseg_ext.engine.checkpoint.matching import shorten

from .looks import Looks

SOUND, SUSPICIOUS, BROKEN = 'sound', 'suspicious', 'broken'


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something wrong.

    Attributes:
        severity: ``SUSPICIOUS`` or ``BROKEN``.
        what: What it is.
        names: Of the tensors or layers.
    """

    severity: str
    what: str
    names: Sequence[str] = ()

    def __str__(self) -> str:
        """What is wrong, and with which tensors, the first few by name."""
        return f'{self.what}: {shorten(self.names)}' if self.names else self.what


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
        faults: What is wrong.
        notes: What is worth knowing and no fault.
        steps: What to do next.
    """

    title: str
    groups: list[Group] = dataclasses.field(default_factory=list)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    steps: list[str] = dataclasses.field(default_factory=list)

    @property
    def word(self) -> str:
        """``sound``, ``suspicious`` or ``broken``."""
        found = [fault.severity for fault in self.faults]
        return next((word for word in (BROKEN, SUSPICIOUS) if word in found), SOUND)
