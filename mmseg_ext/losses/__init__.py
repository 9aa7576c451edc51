"""Losses: right on every pixel, finite in half precision, and small in memory."""

from .boundary_loss import BoundaryLoss
from .cross_entropy_loss import CrossEntropyLoss
from .dice_loss import DiceLoss
from .focal_dice_loss import FocalDiceLoss
from .focal_loss import FocalLoss
from .lovasz_loss import LovaszLoss
from .ohem_loss import OHEMLoss
from .streamed_loss import StreamedLoss

__all__ = [
    'BoundaryLoss',
    'CrossEntropyLoss',
    'DiceLoss',
    'FocalDiceLoss',
    'FocalLoss',
    'LovaszLoss',
    'OHEMLoss',
    'StreamedLoss',
]
