"""Data preprocessors."""

from .seg_data_preprocessor import SegDataPreProcessor

__all__ = ['SegDataPreProcessor']
