"""Segmentation metrics, exact and per class."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce, broadcast_object_list, get_dist_info, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from prettytable import PrettyTable
from torch import Tensor

from mmseg_ext.engine.class_names import find_classes
from mmseg_ext.engine.distributed import gather_samples
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.masks import MaskEncoding, write_mask
from mmseg_ext.registry import METRICS

from .functional import class_scores, confusion_matrix, mean_scores

# Columns of the table and names that go to the log, by what ``iou_metrics`` asks for.
COLUMNS = dict(
    mIoU=('IoU', 'Acc'), mDice=('Dice', 'Acc'), mFscore=('Fscore', 'Precision', 'Recall')
)


@METRICS.register_module()
class SegMetrics(BaseMetric):
    """MMSegmentation's IoUMetric from one exact confusion matrix, which is kept.

    Same arguments, names, table and printed digits. The stock class counts in float32, which loses
    pixels above 2^24; here int64 counts stay on the device of the predictions. Any number of
    processes give the same: what a sampler adds so that all get equally many images is left out.

    Args:
        ignore_index: Label of pixels that do not count.
        iou_metrics: What to print and return: ``mIoU``, ``mDice``, ``mFscore``, or several.
        nan_to_num: What stands for nan in the table and the returned means; the attributes below
            keep nan.
        beta: Weight of the recall in the F-score.
        classes: Names of the classes that table and means are over; all unless given.
        output_dir: Folder for predictions as PNG files, as the data set's own label files are.
        format_only: Write them, and evaluate nothing.
        prefix: Put before the names of the returned values, with a slash.
        collect_device: Without effect: nothing is collected but counts.
        keep_results: Without effect; the stock tools/test.py sets it with ``--out``.

    Attributes:
        confusion: After an evaluation, in the main process, as all of these: (C, C), int64, on the
            CPU; rows are true, columns predicted classes.
        per_class: ``{'IoU': {class: share}, ...}``, of all classes and all of ``class_scores``,
            shares in [0, 1]; nan for a class that occurs neither in truth nor in prediction.
        means: ``mean_scores``, whatever ``iou_metrics`` says, and ``mIoU_per_image``: the mean over
            images of the mean IoU of the classes in each, in percent, which weighs small and large
            objects more alike (Csurka et al., BMVC 2013).

    Raises:
        UsageError: ``iou_metrics`` or ``classes`` name what there is not.
    """

    default_prefix = ''  # else MMEngine warns of every metric without a prefix

    def __init__(
        self,
        ignore_index: int = 255,
        iou_metrics: str | Sequence[str] = ('mIoU',),
        nan_to_num: float | None = None,
        beta: float = 1,
        classes: Sequence[str] | None = None,
        output_dir: str | None = None,
        format_only: bool = False,
        prefix: str | None = None,
        collect_device: str | None = None,
        keep_results: bool = False,
    ) -> None:
        super().__init__(prefix=prefix)
        if collect_device is not None:
            said = f'SegMetrics: collect_device={collect_device} has no effect'
            print_log(said, 'current', logging.WARNING)
        self.metrics = [iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics)
        for name in self.metrics:
            if name not in COLUMNS:
                raise UsageError(f'iou_metrics={name}: there are {", ".join(COLUMNS)}')
        self.ignore_index, self.nan_to_num, self.beta = ignore_index, nan_to_num, beta
        self.classes, self.format_only, self.output_dir = classes or None, format_only, output_dir
        self.confusion: Tensor | None = None
        self.per_class: dict[str, dict[str, float]] = {}
        self.means: dict[str, float] = {}
        self._restart()

    @property
    def chosen(self) -> list[str] | None:
        """Names of the classes that table and means are over, as the data set has them; or None."""
        rows, names = self._chosen(), self.dataset_meta['classes']
        return None if rows is None else [names[row] for row in rows]

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Counts a batch.

        Args:
            data_batch: Not looked at.
            data_samples: Each with ``pred_sem_seg`` and, to evaluate, ``gt_sem_seg``.

        Raises:
            UsageError: Prediction and truth differ in size, or one lies outside the classes.
        """
        for sample in data_samples:
            if not self.format_only:
                self._sum = self._sum + self._last
                self._last = self._count(sample)
                iou, chosen = class_scores(self._last)['IoU'], self._chosen()
                self._image_ious.append((iou if chosen is None else iou[chosen]).nanmean())
            if self.output_dir is not None:
                self._save(sample)

    def evaluate(self, size: int) -> dict[str, float]:
        """Adds up what all processes counted, prints the table, and starts anew.

        Args:
            size: Number of images of the data set.

        Returns:
            Percentages, rounded to two digits as printed; the same in all processes.
        """
        if self.format_only:
            print_log(f'results are saved to {self.output_dir}', 'current')
            return {}
        rank, world_size = get_dist_info()
        # the last image of a process may be there for equal numbers alone
        if (len(self._image_ious) - 1) * world_size + rank < size:
            self._sum = self._sum + self._last
        num_classes = len(self.dataset_meta['classes'])
        confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        confusion += torch.as_tensor(self._sum).cpu()
        ious = torch.stack(self._image_ious).tolist() if self._image_ious else []
        self._restart()
        all_reduce(confusion)
        ious = gather_samples(ious, size)
        if len(ious) != size:
            said = f'SegMetrics counted {len(ious)} images; the data set has {size}'
            print_log(said, 'current', logging.WARNING)
        returned = [self.compute_metrics((confusion, ious)) if is_main_process() else None]
        broadcast_object_list(returned)
        return returned[0]

    def compute_metrics(self, results: tuple[Tensor, list[float]]) -> dict[str, float]:
        """Prints the table, keeps what the attributes hold.

        Args:
            results: Confusion matrix, (C, C), and mean IoU of each image, of the whole data set.

        Returns:
            Percentages, rounded to two digits as printed.
        """
        self.confusion, ious = results
        names, chosen = self.dataset_meta['classes'], self._chosen()
        scores = class_scores(self.confusion, self.beta)
        self.per_class = {
            score: dict(zip(names, share.tolist(), strict=True)) for score, share in scores.items()
        }
        self.means = mean_scores(self.confusion, self.beta, chosen)
        defined = [iou for iou in ious if not math.isnan(iou)]
        self.means['mIoU_per_image'] = 100 * math.fsum(defined) / (len(defined) or math.nan)
        rows = range(len(names)) if chosen is None else chosen
        returned, table = dict(aAcc=self._filled(self.means['aAcc'] / 100)), PrettyTable()
        table.add_column('Class', [names[row] for row in rows])
        for score in dict.fromkeys(score for name in self.metrics for score in COLUMNS[name]):
            shares = self._filled(scores[score].numpy()[rows])
            table.add_column(score, np.round(shares * 100, 2))
            returned[f'm{score}'] = torch.from_numpy(shares).nanmean()
        print_log(f'per class results:\n{table.get_string()}', 'current')
        if self.prefix:
            returned = {f'{self.prefix}/{name}': value for name, value in returned.items()}
        return {name: round(100 * float(value), 2) for name, value in returned.items()}

    def _restart(self) -> None:
        self._sum: Tensor | int = 0
        self._last: Tensor | int = 0
        self._image_ious: list[Tensor] = []

    def _chosen(self) -> list[int] | None:
        return self.classes and find_classes(self.classes, self.dataset_meta['classes'])

    def _filled(self, values: float | np.ndarray) -> float | np.ndarray:
        return values if self.nan_to_num is None else np.nan_to_num(values, nan=self.nan_to_num)

    def _count(self, sample: dict) -> Tensor:
        pred_label = sample['pred_sem_seg']['data'].squeeze(0)
        label = sample['gt_sem_seg']['data'].squeeze(0).to(pred_label.device)
        num_classes = len(self.dataset_meta['classes'])
        try:
            return confusion_matrix(pred_label, label, num_classes, self.ignore_index)
        except ValueError as error:
            way_out = (
                'LoadAnnotations comes after Resize in a test pipeline; is the mask as large as '
                'the image? tools/analysis_tools/check_dataset.py finds out'
                if pred_label.shape != label.shape
                else 'num_classes of the heads, classes of the data set and masks have to agree'
            )
            raise UsageError(f'{sample.get("img_path", "an image")}: {error}; {way_out}') from error

    def _save(self, sample: dict) -> None:
        label = sample['pred_sem_seg']['data'].squeeze(0).cpu().numpy()
        encoding = MaskEncoding.from_metainfo(self.dataset_meta)
        write_mask(Path(self.output_dir, f'{Path(sample["img_path"]).stem}.png'), label, encoding)
