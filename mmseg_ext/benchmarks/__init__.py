"""Comparisons of speed with stock MMSegmentation, measured side by side on one machine."""
