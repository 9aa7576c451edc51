"""Transforms of samples and of batches; importing this package registers them."""

from .colour import Distortion

__all__ = ['Distortion']
