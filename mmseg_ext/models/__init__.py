"""Networks: what MMSegmentation does not have."""

from .data_preprocessors import SegDataPreProcessor
from .decode_heads import ASPPHead, FCNHead, SegformerHead, UPerHead

__all__ = ['ASPPHead', 'FCNHead', 'SegDataPreProcessor', 'SegformerHead', 'UPerHead']
