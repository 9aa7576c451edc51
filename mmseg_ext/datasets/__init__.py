"""Data sets that MMSegmentation does not have."""

from .camvid_dataset import CamVidDataset

__all__ = ['CamVidDataset']
