"""What transforms leave to the data preprocessor."""

from typing import Any


def leave_to_device(results: dict, name: str, value: Any) -> None:
    """Notes in a sample what ``mmseg_ext.SegDataPreProcessor`` is to do with it in training.

    Args:
        results: The sample; its ``on_device`` grows by an entry.
        name: ``flip`` or ``colour``.
        value: The direction of the flip, or the ``Distortion``.

    Raises:
        ValueError: Such work was left before: it can be done once a sample.
    """
    work = results.get('on_device') or {}
    if name in work:
        raise ValueError(f'two transforms with on_device=True leave a {name}: one can')
    # a new dict: others may share the old one
    results['on_device'] = {**work, name: value}
