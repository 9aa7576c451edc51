"""One picture for every tested image."""

from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.records.background import Background
from mmseg_ext.records.comparison import ImageScores, draw_comparison, labels_of, score_image
from mmseg_ext.records.files import make_folder
from mmseg_ext.records.masks import find_image_root, name_below
from mmseg_ext.records.panels import write_picture
from mmseg_ext.records.pictures import Picture
from mmseg_ext.registry import HOOKS

from .tested_classes import TestedClasses


@HOOKS.register_module()
class ShowDirHook(Hook):
    """Draws every tested image, for ``tools/test.py --show-dir``.

    Each picture shows, at the image's resolution, the prediction over the image, truth, prediction
    and difference, with the image's mIoU and accuracy; without truth the prediction alone. It lies
    under the image's path below the folder of the images.

    Args:
        out_dir: Folder of the pictures; made if needed.
        classes: Names of the classes that the mIoU is over; default all.

    Attributes:
        written: What was written and where, for the end of the test.
    """

    def __init__(self, out_dir: str, classes: Sequence[str] | None = None) -> None:
        self.out_dir = Path(out_dir)
        self.classes = classes
        self.written = ''

    def before_test(self, runner: Runner) -> None:
        """Makes the folder.

        Raises:
            UsageError: It cannot be made.
        """
        self.tested = TestedClasses.of(runner, self.classes)
        self.image_root = find_image_root(runner.test_dataloader.dataset)
        make_folder(self.out_dir)
        self.background = Background()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Draws the batch."""
        tested = self.tested
        for sample in outputs or ():
            prediction, truth = labels_of(sample)
            scores = None
            if truth is not None:
                scores = score_image(prediction, truth, len(tested.names), tested.ignore_index)
                truth = truth.cpu().numpy().astype(np.int32)
            prediction = prediction.cpu().numpy().astype(np.int32)
            self.background.submit(self._draw, sample.img_path, truth, prediction, scores)

    def after_test(self, runner: Runner) -> None:
        """Waits for the last picture."""
        self.background.finish()
        self.written = f'pictures of every image are in {self.out_dir}'

    def _draw(
        self,
        img_path: str,
        truth: np.ndarray | None,
        prediction: np.ndarray,
        scores: ImageScores | None,
    ) -> None:
        name, tested = name_below(img_path, self.image_root), self.tested
        image = mmcv.imread(img_path, channel_order='rgb')
        picture = draw_comparison(
            Picture(str(name.with_suffix('')), image, truth, prediction),
            tested.names,
            tested.palette,
            tested.ignore_index,
            scores,
            tested.chosen,
        )
        write_picture(self.out_dir / name, picture)
