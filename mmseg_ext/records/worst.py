"""The images on which each class came out worst."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import cv2
import mmcv
import numpy as np

from .comparison import (
    FALSE_ALARM,
    FOUND,
    MISSED,
    ImageScores,
    draw_class_errors,
    fit_image,
)
from .files import write_json
from .panels import Panel, compose, write_picture
from .pictures import class_legend, colour_mask

PANEL_WIDTH = 400  # pixels


@dataclass(frozen=True)
class Candidate:
    """One image among the worst of a class.

    Attributes:
        iou: IoU of the class in this image, a share.
        image: Path of the image.
        true: True pixels of the class.
        missed: Those with another prediction.
        false_alarms: Pixels of other classes that are predicted as this one.
    """

    iou: float
    image: str
    true: int
    missed: int
    false_alarms: int

    @property
    def rank(self) -> tuple:
        """Sorts by IoU; of equals, often 0, the one with most of the class is worse."""
        return self.iou, -self.true, self.image


@dataclass
class WorstImages:
    """Keeps the worst images of each class where it is in the truth, and their labels compressed.

    Args:
        num_images: So many of each class.
        chosen: Indices of the classes.

    Attributes:
        candidates: By class, the worst first.
        labels: Truth and prediction of the candidates' images, as the bytes of PNG files.
    """

    num_images: int
    chosen: Sequence[int]
    candidates: dict[int, list[Candidate]] = field(default_factory=dict)
    labels: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def add(
        self, image: str, scores: ImageScores, truth: np.ndarray, prediction: np.ndarray
    ) -> None:
        """Takes an image in, if it is among the worst of a class.

        Args:
            image: Its path.
            scores: Of the image.
            truth: (H, W), integer.
            prediction: (H, W), integer.
        """
        iou, true = scores.iou, scores.truth
        missed, false_alarms = scores.missed, scores.false_alarms
        candidates = {
            index: Candidate(
                float(iou[index]), image, int(true[index]), int(missed[index]),
                int(false_alarms[index]),
            )
            for index in self.chosen
            if true[index]
        }  # fmt: skip
        entered = [self._enter(index, candidate) for index, candidate in candidates.items()]
        if any(entered):
            self.labels[image] = _pack(truth), _pack(prediction)
            self._forget()

    def merge(self, others: Iterable[WorstImages]) -> None:
        """Takes in what other processes found; an image that two had counts once."""
        for other in others:
            for index, candidates in other.candidates.items():
                for candidate in candidates:
                    self._enter(index, candidate)
            self.labels.update(other.labels)
        self._forget()

    def labels_of(self, image: str) -> tuple[np.ndarray, np.ndarray]:
        """Truth and prediction of a candidate's image, (H, W)."""
        return tuple(
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            for data in self.labels[image]
        )

    def _enter(self, index: int, candidate: Candidate) -> bool:
        found = self.candidates.setdefault(index, [])
        if any(each.image == candidate.image for each in found):
            return False
        bisect.insort(found, candidate, key=lambda each: each.rank)
        del found[self.num_images :]
        return candidate in found

    def _forget(self) -> None:
        """Drops the labels of images that are no candidates any more."""
        used = {each.image for found in self.candidates.values() for each in found}
        for image in self.labels.keys() - used:
            del self.labels[image]


def write_worst(
    folder: Path,
    worst: WorstImages,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int,
) -> None:
    """Draws one sheet a class, ``CLASS.png``, and writes ``worst.json``.

    Each row of a sheet is an image: image, truth, prediction, and where the class was missed, found
    or a false alarm. The file has for each class its sheet and images, with IoU as a share and
    pixels; a class that is in no image's truth has none.

    Args:
        folder: Where to; made if needed.
        worst: What was found.
        classes: Names of all classes.
        palette: One RGB triple a class.
        ignore_index: Label that does not count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheets = _file_names([classes[index] for index in worst.chosen])
    content = {}
    for index, sheet in zip(worst.chosen, sheets, strict=True):
        found = worst.candidates.get(index, [])
        if found:
            picture = _draw_sheet(index, found, worst, classes, palette, ignore_index)
            write_picture(folder / sheet, picture)
        images = [
            dict(image=each.image, IoU=each.iou, pixels=each.true, missed=each.missed,
                 false_alarms=each.false_alarms)
            for each in found
        ]  # fmt: skip
        content[classes[index]] = dict(sheet=sheet if found else None, images=images)
    write_json(folder / 'worst.json', dict(images_per_class=worst.num_images, classes=content))


def _draw_sheet(
    index: int,
    found: Sequence[Candidate],
    worst: WorstImages,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    ignore_index: int,
) -> np.ndarray:
    rows, labels = [], []
    for each in found:
        truth, prediction = worst.labels_of(each.image)
        image = fit_image(mmcv.imread(each.image, channel_order='rgb'), truth.shape)
        errors = draw_class_errors(image, truth, prediction, index, ignore_index)
        said = f'missed {each.missed / each.true:.0%}, false alarms {each.false_alarms:,} px'
        rows.append(
            [
                Panel(image, f'IoU {100 * each.iou:.2f}   {PurePath(each.image).name}'),
                Panel(colour_mask(truth, palette), 'truth'),
                Panel(colour_mask(prediction, palette), 'prediction'),
                Panel(errors, said),
            ]
        )
        labels += [truth, prediction]
    legend = class_legend(labels, classes, palette)
    if all((label < len(classes)).all() for label in labels):
        legend.pop('ignored')
    marks = {
        'missed': (MISSED, any(each.missed for each in found)),
        'false alarm': (FALSE_ALARM, any(each.false_alarms for each in found)),
        'found': (FOUND, any(each.true > each.missed for each in found)),
    }
    legend |= {name: colour for name, (colour, occurs) in marks.items() if occurs}
    images = 'image' if len(found) == 1 else f'{len(found)} images'
    title = f'{classes[index].strip()}: the {images} with the lowest IoU'
    return compose(rows, title, legend, PANEL_WIDTH)


def _file_names(names: Sequence[str]) -> list[str]:
    """A file name for each class, different also where case does not count."""
    taken, files = set(), []
    for number, name in enumerate(names):
        stem = re.sub(r'[^\w.-]+', '_', name.strip()).strip('.') or f'class_{number}'
        if stem.lower() in taken:
            stem = f'{stem}_{number}'
        taken.add(stem.lower())
        files.append(f'{stem}.png')
    return files


def _pack(label: np.ndarray) -> bytes:
    kind = np.uint8 if label.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return cv2.imencode('.png', label.astype(kind))[1].tobytes()
