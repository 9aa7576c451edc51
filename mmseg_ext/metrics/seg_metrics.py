"""Segmentation metrics, exact and per class."""

from mmseg.evaluation import IoUMetric
from torch import Tensor

from mmseg_ext.registry import METRICS

from .functional import confusion_matrix


@METRICS.register_module()
class SegMetrics(IoUMetric):
    """MMSegmentation's IoUMetric with exact counts, which keeps its values per class.

    Same arguments, same names, same printed digits. The stock class counts pixels in float32, which
    loses single pixels above 2^24; here counts are int64.

    Attributes:
        per_class: After an evaluation, in the main process: ``{'IoU': {class: share}, ...}``,
            shares in [0, 1], nan for a class that occurs neither in truth nor in prediction.
    """

    def __init__(self, *args, **kwargs):
        # over the process group; the stock way, through files below the current folder, fails where
        # machines do not share that folder
        kwargs.setdefault('collect_device', 'gpu')
        super().__init__(*args, **kwargs)
        self.per_class: dict[str, dict[str, float]] = {}

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Counts the pixels of one image per class.

        Args:
            pred_label: Predicted classes, (H, W), integer.
            label: True classes or ``ignore_index``, (H, W), integer.
            num_classes: Number of classes C.
            ignore_index: Label of pixels that do not count.

        Returns:
            Intersection, union, predicted and true pixels, each (C,), int64, on the CPU.

        Raises:
            ValueError: The two differ in size, or a label lies outside the classes.
        """
        confusion = confusion_matrix(pred_label, label, num_classes, ignore_index).cpu()
        intersect, predicted, true = confusion.diag(), confusion.sum(0), confusion.sum(1)
        return intersect, predicted + true - intersect, predicted, true

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sums up all images: prints the table, keeps ``per_class``, returns percentages."""
        summary = super().compute_metrics(results)
        if self.format_only:
            return summary
        totals = [sum(counts) for counts in zip(*results, strict=True)]
        values = self.total_area_to_metrics(*totals, self.metrics, self.nan_to_num, self.beta)
        classes = self.dataset_meta['classes']
        self.per_class = {
            name: dict(zip(classes, share.tolist(), strict=True))
            for name, share in values.items()
            if name != 'aAcc'
        }
        return {name: round(float(value), 2) for name, value in summary.items()}
