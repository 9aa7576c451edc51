"""Sheets of the images on which each class came out worst."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.records.comparison import labels_of, score_image
from mmseg_ext.records.files import short_path
from mmseg_ext.records.worst import WorstImages, write_worst
from mmseg_ext.registry import HOOKS

from .tested_classes import TestedClasses


@HOOKS.register_module()
class WorstImagesHook(Hook):
    """Draws the worst images of each class, for ``tools/test.py --worst``.

    They are the images with the lowest IoU of the class among those with the class in their truth.
    Sheets and ``worst.json`` go to ``worst/`` in the test's log folder. Only the labels of images
    that are among the worst so far are kept, compressed.

    Args:
        num_images: So many of each class.
        classes: Names of the classes; default all.

    Attributes:
        written: What was written and where, for the end of the test.
    """

    def __init__(self, num_images: int, classes: Sequence[str] | None = None) -> None:
        self.num_images, self.classes = num_images, classes
        self.written = ''

    def before_test(self, runner: Runner) -> None:
        """Begins anew."""
        self.tested = TestedClasses.of(runner, self.classes)
        self.worst = WorstImages(self.num_images, self.tested.chosen)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Looks at the batch."""
        tested = self.tested
        for sample in outputs or ():
            prediction, truth = labels_of(sample)
            scores = score_image(prediction, truth, len(tested.names), tested.ignore_index)
            self.worst.add(sample.img_path, scores, truth.cpu().numpy(), prediction.cpu().numpy())

    def after_test(self, runner: Runner) -> None:
        """Gathers what the processes found, and draws it."""
        found = all_gather_object(self.worst)
        if not is_main_process():
            return
        worst = WorstImages(self.num_images, self.tested.chosen)
        worst.merge(found)
        folder = Path(runner.log_dir) / 'worst'
        tested = self.tested
        write_worst(folder, worst, tested.names, tested.palette, tested.ignore_index)
        self.written = f'the worst images of each class are in {short_path(folder)}'
