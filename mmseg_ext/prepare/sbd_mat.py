"""SBD's class annotations, as its .mat files hold them."""

import io
from pathlib import Path

import cv2
import numpy as np
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from mmseg_ext.engine.errors import UsageError

NUM_OBJECT_CLASSES = 20  # VOC's without background


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


def sbd_mat_bytes(labels: np.ndarray) -> bytes:
    """A file as SBD has them: ``GTcls`` with Boundaries, Segmentation and CategoriesPresent.

    Args:
        labels: (H, W), uint8, 0 to 20.
    """
    present = np.setdiff1d(labels, [0])
    boundaries = np.empty((NUM_OBJECT_CLASSES, 1), object)
    boundaries.fill(csc_matrix(labels.shape, dtype=bool))
    for index in present:
        mask = (labels == index).astype(np.uint8)
        boundaries[index - 1, 0] = csc_matrix(mask != cv2.erode(mask, np.ones((3, 3), np.uint8)))
    fields = {
        'Boundaries': boundaries,
        'Segmentation': labels,
        'CategoriesPresent': present[:, None],
    }
    stream = io.BytesIO()
    savemat(stream, {'GTcls': fields}, do_compression=True)
    # the first 116 bytes are free text, in which scipy writes the time of day
    return b'MATLAB 5.0 MAT-file, SBD layout'.ljust(116) + stream.getvalue()[116:]
