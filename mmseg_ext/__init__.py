"""Losses, transforms, hooks and metrics for MMSegmentation, registered as ``mmseg_ext.Name``."""

__version__ = '0.1.0'
