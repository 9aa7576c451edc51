"""SegFormer's head, with losses from low-resolution logits."""

from mmseg.models.decode_heads import SegformerHead as StockSegformerHead

from mmseg_ext.registry import MODELS

from .low_memory_mixin import LowMemoryMixin


@MODELS.register_module()
class SegformerHead(LowMemoryMixin, StockSegformerHead):
    """MMSegmentation's ``SegformerHead``, see ``LowMemoryMixin``."""
