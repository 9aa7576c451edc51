"""Networks: what MMSegmentation does not have."""

from .decode_heads import ASPPHead, FCNHead, SegformerHead, UPerHead

__all__ = ['ASPPHead', 'FCNHead', 'SegformerHead', 'UPerHead']
