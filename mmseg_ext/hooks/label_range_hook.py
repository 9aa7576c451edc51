"""Stops at the first label outside the classes, before it reaches the device."""

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.engine.labels import bad_label, label_range
from mmseg_ext.registry import HOOKS

from .timed import timed


@HOOKS.register_module()
class LabelRangeHook(Hook):
    """Checks every batch of labels on the CPU and names the file of one that is out of range.

    On a GPU such a label would end the process with a device assertion that names nothing.

    Raises:
        UsageError: From ``before_*_iter``, with file, label and the allowed range.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Reads the number of classes and the ignored label from the network's config."""
        self.limits = label_range(runner.cfg.model)

    @timed
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Checks the labels of a training batch."""
        self._check(data_batch)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Checks the labels of a validation batch."""
        self._check(data_batch)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Checks the labels of a test batch."""
        self._check(data_batch)

    def _check(self, data_batch: dict) -> None:
        samples = data_batch.get('data_samples') or []
        if self.limits is None:
            return
        num_classes, ignore_index = self.limits
        for sample in samples:
            if (
                'gt_sem_seg' not in sample
            ):  # a TTA batch holds lists of samples, or there is no truth
                continue
            # in NumPy, which takes half of torch's time here; the batch is still on the CPU
            label = sample.gt_sem_seg.data.numpy()
            # unsigned, a negative label is a very large one
            unsigned = label.view(np.dtype(f'u{label.itemsize}'))
            # one look at the pixels, which is as fast as memory, spares most batches the others
            if unsigned.max() < num_classes:
                continue
            outside = (unsigned >= num_classes) & (label != ignore_index)
            if outside.any():
                file = sample.get('seg_map_path') or sample.get('img_path')
                raise bad_label(file, label[outside][0], num_classes, ignore_index)
