"""How much of a network has to be loaded."""

from mmseg_ext.engine.errors import found_by_all
from mmseg_ext.engine.guards import Guards

from .matching import LoadReport


def insist(report: LoadReport, source: str, guards: Guards, what: str) -> str | None:
    """Refuses weights that fill less than the guard's share of a network.

    Args:
        report: What they fill.
        source: Where they came from, for messages.
        guards: The config's.
        what: ``'backbone'`` or ``'network'``.

    Returns:
        A warning if too little was filled and ``guards.allow_missing`` is on, else None.

    Raises:
        UsageError: Too little was filled.
    """
    least = getattr(guards, f'{what}_share')
    if report.share(what) >= least:
        return None
    said = f'{source}: {report}; that is less than guards.{what}_share={least:g}; '
    if guards.allow_missing:
        return f'{said}going on, as --allow-missing says'
    hint = report.hint or 'is it a checkpoint of this network?'
    raise found_by_all(f'{said}{hint} (to go on: --allow-missing, or guards.allow_missing=True)')
