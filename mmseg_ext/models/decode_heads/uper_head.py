"""UPerNet's head, with losses from low-resolution logits."""

from mmseg.models.decode_heads import UPerHead as StockUPerHead

from mmseg_ext.registry import MODELS

from .low_memory_mixin import LowMemoryMixin


@MODELS.register_module()
class UPerHead(LowMemoryMixin, StockUPerHead):
    """MMSegmentation's ``UPerHead``, see ``LowMemoryMixin``."""
