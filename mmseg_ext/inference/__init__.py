"""Trained networks on new images: ``Segmenter.from_run('work_dirs/NAME').predict('photo.jpg')``."""

from .segmenter import Segmenter

__all__ = ['Segmenter']
