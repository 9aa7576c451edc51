"""One line of the report."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the report.

    Attributes:
        what: The thing examined.
        found: Its version, its size, or the error it gives.
        state: ``ok``; ``info``, absent but only some configs need it; ``warning``; or ``broken``,
            training cannot run.
        mend: The way out, where there is something to mend.
    """

    what: str
    found: str
    state: str
    mend: str = ''
