"""What colour alone reaches: a floor that every network must beat.

Two predictors without a network: each pixel gets the class whose mean colour over the training set
is nearest, or every pixel gets the class with the most training pixels. A network that does not
clear the better of the two has learned nothing about shape or texture.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from .functional import confusion_matrix

Sample = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Scores of one predictor in percent, as MMSegmentation defines them.

    Attributes:
        iou: IoU per class, (C,), nan for a class in neither truth nor prediction.
        mIoU: Mean of ``iou`` over the classes that are not nan.
        aAcc: Share of valid pixels that are right.
    """

    iou: np.ndarray
    mIoU: float  # noqa: N815 (the metric's name)
    aAcc: float  # noqa: N815 (the metric's name)


@dataclass(frozen=True)
class ColourBaseline:
    """Result of ``colour_baseline``.

    Attributes:
        class_colours: Mean RGB per class, (C, 3), nan for a class without a training pixel.
        nearest: Scores of the nearest mean colour.
        majority: Scores of the majority class everywhere.
        majority_class: Index of the class with the most training pixels.
    """

    class_colours: np.ndarray
    nearest: Scores
    majority: Scores
    majority_class: int

    @property
    def floor(self) -> float:
        """The better mIoU of the two predictors, in percent."""
        return max(self.nearest.mIoU, self.majority.mIoU)


def leaf_datasets(cfg: dict) -> Iterator[dict]:
    """Yields the dataset dicts under wrappers such as ConcatDataset or RepeatDataset, as copies.

    Their pipeline only loads: the floor is that of the images as they are on disk.
    """
    if 'datasets' in cfg:
        for part in cfg['datasets']:
            yield from leaf_datasets(part)
    elif 'dataset' in cfg:
        yield from leaf_datasets(cfg['dataset'])
    else:
        pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
        yield copy.deepcopy(dict(cfg)) | {'pipeline': pipeline}


def build_datasets(cfg: dict) -> list[BaseDataset]:
    """Builds the datasets of a dataloader's ``dataset`` dict, without their wrappers."""
    return [DATASETS.build(leaf) for leaf in leaf_datasets(cfg)]


def load_samples(
    datasets: Sequence[BaseDataset],
    max_images: int | None = None,
    progress: Callable[[list], Iterable] = iter,
) -> Iterator[Sample]:
    """Yields image (H, W, 3), uint8, RGB, and label (H, W) of each sample.

    Args:
        datasets: From ``build_datasets``.
        max_images: Take so many, evenly spaced, since a sorted list may be sorted by class.
        progress: Wraps the list of samples to go through, for a progress bar.

    Raises:
        ValueError: ``max_images`` is below 1.
    """
    if max_images is not None and max_images < 1:
        raise ValueError(f'max_images={max_images}: needs at least 1')
    samples = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    if max_images is not None and max_images < len(samples):
        samples = [samples[i] for i in np.linspace(0, len(samples) - 1, max_images).astype(int)]
    for dataset, index in progress(samples):
        sample = dataset[index]
        # MMSegmentation loads BGR
        yield sample['img'][..., ::-1], sample['gt_seg_map']


def class_colours(
    samples: Iterable[Sample], num_classes: int, ignore_index: int = 255
) -> tuple[np.ndarray, np.ndarray]:
    """Averages the colour of each class over all its pixels.

    Args:
        samples: Image (H, W, 3) and label (H, W), in [0, num_classes) or ``ignore_index``.
        num_classes: Number of classes C.
        ignore_index: Label of pixels that do not count.

    Returns:
        Mean colour per class, (C, 3), float64, nan for a class without a pixel; and pixels per
        class, (C,), int64.

    Raises:
        ValueError: A label is out of range, or no pixel has a class.
    """
    totals = np.zeros((num_classes, 3))
    counts = np.zeros(num_classes, np.int64)
    for image, label in samples:
        valid = label != ignore_index
        classes, pixels = label[valid], image[valid]
        if classes.size and classes.max() >= num_classes:
            raise ValueError(f'label {classes.max()} for {num_classes} classes')
        counts += np.bincount(classes, minlength=num_classes)
        for channel in range(3):
            totals[:, channel] += np.bincount(classes, pixels[:, channel], num_classes)
    if not counts.any():
        raise ValueError('the training set has no pixel with a class; check ann_file and data_root')
    with np.errstate(invalid='ignore'):
        return totals / counts[:, None], counts


def nearest_class(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Gives each pixel the class of the nearest colour.

    Args:
        image: (H, W, 3).
        colours: (C, 3); a class of nan is never chosen.

    Returns:
        Class per pixel, (H, W), int64; the lower index where two are equally near.
    """
    # |p - c|^2 without |p|^2, which is the same for every class
    distance = (colours**2).sum(1) - 2 * image.astype(np.float64) @ np.nan_to_num(colours).T
    return np.where(np.isnan(distance), np.inf, distance).argmin(-1)


def count(pred: np.ndarray, label: np.ndarray, num_classes: int, ignore_index: int) -> np.ndarray:
    """Counts an image: intersection, union, predicted and true pixels per class, (4, C), int64."""
    confusion = confusion_matrix(
        torch.from_numpy(pred), torch.from_numpy(label), num_classes, ignore_index
    )
    intersect, predicted, true = confusion.diag(), confusion.sum(0), confusion.sum(1)
    return torch.stack([intersect, predicted + true - intersect, predicted, true]).numpy()


def score(counts: np.ndarray) -> Scores:
    """Scores the sum of the counts of all images, (4, C).

    Raises:
        ValueError: No pixel has a class.
    """
    intersect, union, _, true = counts
    if not true.any():
        raise ValueError('the validation set has no pixel with a class; check its ann_file')
    with np.errstate(invalid='ignore'):
        iou = 100 * intersect / union
    return Scores(iou, float(np.nanmean(iou)), float(100 * intersect.sum() / true.sum()))


def colour_baseline(
    train: Iterable[Sample], val: Iterable[Sample], num_classes: int, ignore_index: int = 255
) -> ColourBaseline:
    """Fits both predictors on ``train`` and scores them on ``val``.

    Args:
        train: Image (H, W, 3) and label (H, W) of each training sample.
        val: The same of the validation set; gone through once.
        num_classes: Number of classes C.
        ignore_index: Label of pixels that do not count.

    Raises:
        ValueError: A label is out of range, or a set has no pixel with a class.
    """
    colours, pixels = class_colours(train, num_classes, ignore_index)
    majority_class = int(pixels.argmax())
    nearest, majority = np.zeros((2, 4, num_classes), np.int64)
    for image, label in val:
        nearest += count(nearest_class(image, colours), label, num_classes, ignore_index)
        constant = np.full_like(label, majority_class)
        majority += count(constant, label, num_classes, ignore_index)
    return ColourBaseline(colours, score(nearest), score(majority), majority_class)
