"""SBD's class annotations, as its .mat files hold them."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mmseg_ext.engine.errors import UsageError


def read_sbd_labels(path: Path) -> np.ndarray:
    """Reads ``GTcls.Segmentation`` of a file of ``benchmark_RELEASE/dataset/cls``.

    Returns:
        (H, W), uint8: 0 background, 1 to 20 VOC's classes.

    Raises:
        UsageError: The file does not read, or holds something else.
    """
    try:
        content = loadmat(path, variable_names=['GTcls'])
    except Exception as error:  # scipy raises nearly anything on a file that was cut off
        raise UsageError(f'{path} does not read: {error}; unpack benchmark.tgz again') from error
    try:
        labels = content['GTcls']['Segmentation'][0, 0]
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f'{path} holds no GTcls.Segmentation; the files of benchmark_RELEASE/dataset/cls do'
        ) from error
    if labels.ndim != 2 or not np.can_cast(labels.dtype, np.float64):
        raise UsageError(f'{path} holds {labels.dtype} of shape {labels.shape}, no labels')
    small = labels.astype(np.uint8)
    if labels.dtype != np.uint8 and not np.array_equal(small, labels):
        raise UsageError(f'{path} holds labels that are no whole numbers from 0 to 255')
    return small
