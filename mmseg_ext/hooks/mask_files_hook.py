"""The predicted labels of a test as files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.records.background import Background
from mmseg_ext.records.comparison import labels_of
from mmseg_ext.records.files import make_folder
from mmseg_ext.records.masks import MaskEncoding, find_image_root, name_below, write_mask
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class MaskFilesHook(Hook):
    """Writes the prediction of every tested image, for ``tools/test.py --out``.

    The files are as the data set's own label files (``records.masks.MaskEncoding``), one an image,
    under its path below the folder of the images.

    Args:
        out_dir: Folder of the files; made if needed.

    Attributes:
        written: What was written and where, for the end of the test.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)
        self.written = ''

    def before_test(self, runner: Runner) -> None:
        """Makes the folder.

        Raises:
            UsageError: The data set's encoding cannot be told, or no folder be made.
        """
        dataset = runner.test_dataloader.dataset
        self.encoding = MaskEncoding.from_dataset(dataset)
        self.image_root = find_image_root(dataset)
        make_folder(self.out_dir)
        self.background = Background()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Writes the batch."""
        for sample in outputs or ():
            label = labels_of(sample)[0].cpu().numpy().astype(np.int32)
            path = self.out_dir / name_below(sample.img_path, self.image_root)
            self.background.submit(write_mask, path, label, self.encoding)

    def after_test(self, runner: Runner) -> None:
        """Waits for the last file."""
        self.background.finish()
        self.written = f'masks ({self.encoding}) are in {self.out_dir}'
