"""Preparation of data sets and pretrained weights, as library code."""
