"""Decode heads."""

from .aspp_head import ASPPHead
from .fcn_head import FCNHead
from .segformer_head import SegformerHead
from .uper_head import UPerHead

__all__ = ['ASPPHead', 'FCNHead', 'SegformerHead', 'UPerHead']
