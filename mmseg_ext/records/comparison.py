"""Where a prediction differs from the truth, as pictures and numbers of one image."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ext.engine.class_names import of_classes
from mmseg_ext.metrics.functional import class_scores, confusion_matrix, mean_scores

from .panels import Panel, compose
from .pictures import IGNORED_COLOUR, Picture, class_legend, colour_mask, overlay_mask, stripes

WRONG = (255, 70, 40)
MISSED = (255, 70, 40)
FALSE_ALARM = (60, 170, 255)
FOUND = (200, 200, 200)
DIM = 0.3  # share of the brightness that pixels keep which are not to be looked at


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image.

    Attributes:
        confusion: Pixels by true (rows) and predicted class, (C, C), int64.
    """

    confusion: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """True pixels of each class, (C,)."""
        return self.confusion.sum(1)

    @property
    def missed(self) -> np.ndarray:
        """True pixels of each class that have another prediction, (C,)."""
        return self.truth - self.confusion.diagonal()

    @property
    def false_alarms(self) -> np.ndarray:
        """Pixels of other classes that are predicted as each class, (C,)."""
        return self.confusion.sum(0) - self.confusion.diagonal()

    @property
    def iou(self) -> np.ndarray:
        """IoU of each class, (C,), as shares; nan in neither truth nor prediction."""
        return class_scores(torch.from_numpy(self.confusion))['IoU'].numpy()

    def means(self, chosen: Sequence[int] | None = None) -> dict[str, float]:
        """``mean_scores`` over those classes, all by default, in percent."""
        return mean_scores(torch.from_numpy(self.confusion), chosen=chosen)


def labels_of(sample: SegDataSample) -> tuple[Tensor, Tensor | None]:
    """Prediction and truth of a sample, (H, W), integer; no truth is None."""
    # a network with one output channel predicts in floating point
    prediction = sample.pred_sem_seg.data.squeeze(0).long()
    if 'gt_sem_seg' not in sample:
        return prediction, None
    return prediction, sample.gt_sem_seg.data.squeeze(0).to(prediction)


def score_image(
    prediction: Tensor, truth: Tensor, num_classes: int, ignore_index: int
) -> ImageScores:
    """Scores one image; the arguments are those of ``confusion_matrix``."""
    counts = confusion_matrix(prediction, truth, num_classes, ignore_index)
    return ImageScores(counts.cpu().numpy())


def draw_comparison(
    picture: Picture,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int,
    scores: ImageScores | None,
    chosen: Sequence[int] | None = None,
) -> np.ndarray:
    """Draws overlay, truth, prediction and difference; without truth overlay and prediction.

    Args:
        picture: The image and its labels.
        classes: Names, in the order of the palette.
        palette: One RGB triple a class.
        ignore_index: Label that does not count.
        scores: For the title.
        chosen: Classes that the scores of the title are over; default all.

    Returns:
        (H, W, 3), uint8, RGB; each part at the image's resolution.
    """
    image = fit_image(picture.image, picture.prediction.shape)
    prediction = Panel(colour_mask(picture.prediction, palette), 'prediction')
    # no prediction is ignored
    overlay = Panel(overlay_mask(image, picture.prediction, palette, -1), 'prediction over image')
    if picture.truth is None:
        legend = class_legend([picture.prediction], classes, palette)
        legend.pop('ignored')
        return compose([[overlay, prediction]], picture.name, legend)
    legend = class_legend([picture.truth, picture.prediction], classes, palette)
    truth = Panel(colour_mask(picture.truth, palette), 'truth')
    wrong = Panel(
        draw_difference(image, picture.truth, picture.prediction, ignore_index),
        'difference: wrong pixels',
    )
    title = picture.name
    if scores is not None:
        means, part = scores.means(chosen), of_classes(chosen, classes)
        title += f'   mIoU {means["mIoU"]:.2f}   accuracy {means["aAcc"]:.2f}{part}'
    return compose([[overlay, truth], [prediction, wrong]], title, {**legend, 'wrong': WRONG})


def draw_difference(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, ignore_index: int
) -> np.ndarray:
    """Shows wrong pixels brightly, right ones dim and what is ignored hatched.

    Args:
        image: (H, W, 3), uint8, RGB.
        truth: (H, W), integer.
        prediction: (H, W), integer.
        ignore_index: Label that does not count.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    return _marked(image, [(truth != prediction, WRONG)], truth == ignore_index)


def draw_class_errors(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, index: int, ignore_index: int
) -> np.ndarray:
    """Shows where one class was missed, where it was a false alarm, and where it was found.

    Args:
        image: (H, W, 3), uint8, RGB.
        truth: (H, W), integer.
        prediction: (H, W), integer.
        index: The class.
        ignore_index: Label that does not count.

    Returns:
        (H, W, 3), uint8, RGB: ``MISSED``, ``FALSE_ALARM`` and ``FOUND`` over the dim image.
    """
    true, predicted = truth == index, prediction == index
    marks = [(true & predicted, FOUND), (true & ~predicted, MISSED)]
    marks.append((~true & predicted, FALSE_ALARM))
    return _marked(image, marks, truth == ignore_index)


def fit_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The image at the size of its labels, (H, W), where a loader made them of another."""
    if image.shape[:2] == tuple(shape):
        return image
    return cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)


def _marked(
    image: np.ndarray, marks: Sequence[tuple[np.ndarray, Sequence[int]]], ignored: np.ndarray
) -> np.ndarray:
    grey = cv2.convertScaleAbs(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), alpha=DIM)
    drawn = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    for mask, colour in marks:
        drawn[mask & ~ignored] = colour
    if ignored.any():
        drawn[ignored & stripes(ignored.shape)] = np.array(IGNORED_COLOUR) * 0.6
    return drawn
