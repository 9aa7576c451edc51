"""Hooks that watch a run and record it."""

from .curves_hook import CurvesHook
from .label_range_hook import LabelRangeHook
from .metrics_file_hook import MetricsFileHook
from .run_summary_hook import RunSummaryHook
from .show_dir_hook import ShowDirHook
from .sync_statistics_hook import SyncStatisticsHook
from .val_sheet_hook import ValSheetHook

__all__ = [
    'CurvesHook',
    'LabelRangeHook',
    'MetricsFileHook',
    'RunSummaryHook',
    'ShowDirHook',
    'SyncStatisticsHook',
    'ValSheetHook',
]
