"""Networks: what MMSegmentation does not have."""

from .data_preprocessors import SegDataPreProcessor
from .decode_heads import ASPPHead, FCNHead, SegformerHead, UPerHead
from .segmentors import EncoderDecoder, SegTTAModel

__all__ = [
    'ASPPHead',
    'EncoderDecoder',
    'FCNHead',
    'SegDataPreProcessor',
    'SegTTAModel',
    'SegformerHead',
    'UPerHead',
]
