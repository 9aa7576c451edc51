"""Losses: right on every pixel, finite in half precision, and small in memory."""

from .cross_entropy_loss import CrossEntropyLoss
from .dice_loss import DiceLoss
from .focal_dice_loss import FocalDiceLoss
from .focal_loss import FocalLoss
from .ohem_loss import OHEMLoss
from .streamed_loss import StreamedLoss

__all__ = [
    'CrossEntropyLoss',
    'DiceLoss',
    'FocalDiceLoss',
    'FocalLoss',
    'OHEMLoss',
    'StreamedLoss',
]
