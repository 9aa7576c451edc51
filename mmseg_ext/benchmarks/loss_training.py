"""What is compared when a leaf is trained with several losses."""

from mmengine.config import Config

from mmseg_ext import models
from mmseg_ext.engine.errors import UsageError

from .loss_variants import STOCK_FORM

LOSSES = {
    'cross-entropy': dict(type='mmseg_ext.CrossEntropyLoss'),
    'focal-dice-stock': dict(type='mmseg_ext.FocalDiceLoss', **STOCK_FORM),
    'focal-dice': dict(type='mmseg_ext.FocalDiceLoss'),
}


def loss_changes(cfg: Config, loss: str) -> dict:
    """What a loss changes in a leaf.

    The decode head becomes the one of mmseg_ext where there is one of its name. Auxiliary heads
    keep their losses.

    Args:
        cfg: The leaf.
        loss: A key of ``LOSSES``.

    Raises:
        UsageError: The decode head is a cascade.
    """
    head = cfg.model.decode_head
    if isinstance(head, (list, tuple)):
        raise UsageError(
            f'{cfg.filename} has a cascade of {len(head)} decode heads: take one with one'
        )
    name = str(head.type).rpartition('.')[2]
    kind = f'mmseg_ext.{name}' if name in models.__all__ else head.type
    loss_decode = dict(_delete_=True, **LOSSES[loss])
    return dict(model=dict(decode_head=dict(type=kind, loss_decode=loss_decode)))
