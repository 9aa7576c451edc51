"""Hooks that guard a run and record it."""

from .bad_samples_hook import BadSamplesHook
from .checkpoint_hook import CheckpointHook
from .class_names_hook import ClassNamesHook
from .curves_hook import CurvesHook
from .fine_tune_guard_hook import FineTuneGuardHook
from .interrupt_hook import InterruptHook
from .label_range_hook import LabelRangeHook
from .load_report_hook import LoadReportHook
from .loader_advice_hook import LoaderAdviceHook
from .mask_files_hook import MaskFilesHook
from .metrics_file_hook import MetricsFileHook
from .progress_hook import ProgressHook
from .provenance_hook import ProvenanceHook
from .random_state_hook import RandomStateHook
from .resume_guard_hook import ResumeGuardHook
from .run_summary_hook import RunSummaryHook
from .show_dir_hook import ShowDirHook
from .sync_statistics_hook import SyncStatisticsHook
from .truth_size_hook import TruthSizeHook
from .unfinished_validation_hook import UnfinishedValidationHook
from .val_sheet_hook import ValSheetHook
from .worst_images_hook import WorstImagesHook

__all__ = [
    'BadSamplesHook',
    'CheckpointHook',
    'ClassNamesHook',
    'CurvesHook',
    'FineTuneGuardHook',
    'InterruptHook',
    'LabelRangeHook',
    'LoadReportHook',
    'LoaderAdviceHook',
    'MaskFilesHook',
    'MetricsFileHook',
    'ProgressHook',
    'ProvenanceHook',
    'RandomStateHook',
    'ResumeGuardHook',
    'RunSummaryHook',
    'ShowDirHook',
    'SyncStatisticsHook',
    'TruthSizeHook',
    'UnfinishedValidationHook',
    'ValSheetHook',
    'WorstImagesHook',
]
