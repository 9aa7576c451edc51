"""Metrics: what a validation or a test reports."""

from .seg_metrics import SegMetrics

__all__ = ['SegMetrics']
