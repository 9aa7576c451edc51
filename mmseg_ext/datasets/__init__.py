"""Data sets that MMSegmentation does not have, and what makes their draws repeatable."""

from .camvid_dataset import CamVidDataset
from .csv_dataset import CsvDataset
from .seeded_dataset import Draw, SeededDataset
from .seeded_sampler import SeededSampler

__all__ = ['CamVidDataset', 'CsvDataset', 'Draw', 'SeededDataset', 'SeededSampler']
