"""DeepLabv3's head, with losses from low-resolution logits."""

from mmseg.models.decode_heads import ASPPHead as StockASPPHead

from mmseg_ext.registry import MODELS

from .low_memory_mixin import LowMemoryMixin


@MODELS.register_module()
class ASPPHead(LowMemoryMixin, StockASPPHead):
    """MMSegmentation's ``ASPPHead``, see ``LowMemoryMixin``."""
