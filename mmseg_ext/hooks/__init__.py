"""Hooks that guard a run and record it."""

from .bad_samples_hook import BadSamplesHook
from .checkpoint_hook import CheckpointHook
from .curves_hook import CurvesHook
from .fine_tune_guard_hook import FineTuneGuardHook
from .interrupt_hook import InterruptHook
from .label_range_hook import LabelRangeHook
from .load_report_hook import LoadReportHook
from .loader_advice_hook import LoaderAdviceHook
from .metrics_file_hook import MetricsFileHook
from .provenance_hook import ProvenanceHook
from .random_state_hook import RandomStateHook
from .resume_guard_hook import ResumeGuardHook
from .run_summary_hook import RunSummaryHook
from .show_dir_hook import ShowDirHook
from .sync_statistics_hook import SyncStatisticsHook
from .unfinished_validation_hook import UnfinishedValidationHook
from .val_sheet_hook import ValSheetHook

__all__ = [
    'BadSamplesHook',
    'CheckpointHook',
    'CurvesHook',
    'FineTuneGuardHook',
    'InterruptHook',
    'LabelRangeHook',
    'LoadReportHook',
    'LoaderAdviceHook',
    'MetricsFileHook',
    'ProvenanceHook',
    'RandomStateHook',
    'ResumeGuardHook',
    'RunSummaryHook',
    'ShowDirHook',
    'SyncStatisticsHook',
    'UnfinishedValidationHook',
    'ValSheetHook',
]
