"""FCN's head, with losses from low-resolution logits."""

from mmseg.models.decode_heads import FCNHead as StockFCNHead

from mmseg_ext.registry import MODELS

from .low_memory_mixin import LowMemoryMixin


@MODELS.register_module()
class FCNHead(LowMemoryMixin, StockFCNHead):
    """MMSegmentation's ``FCNHead``, see ``LowMemoryMixin``."""
