"""Pretrained weights of others: into MMSegmentation's names and layout, back, and judged."""
