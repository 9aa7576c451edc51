"""What the labels say: outside the classes, never there, shifted by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .findings import FAULT, NOTE, WARNING, Finding, count
from .parts import Part
from .scan import Scan

BACKGROUND = ('background', 'bg', '_background_', 'other', 'others')
MUCH_IGNORED = 0.5


@dataclass(frozen=True)
class Histogram:
    """Labels of one split as the pipeline loads them; C is the number of classes.

    Attributes:
        classes: Their names.
        pixels: Of each class, (C,), int64.
        images: That hold each class, (C,), int64.
        ignored: Pixels that do not count.
        outside: Pixels of labels that are neither.
    """

    classes: tuple[str, ...]
    pixels: np.ndarray
    images: np.ndarray
    ignored: int
    outside: int

    @property
    def shares(self) -> np.ndarray:
        """Share of each class in the pixels that have one, (C,); 0 where there are none."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def ignored_share(self) -> float:
        """Share of all pixels that do not count."""
        return self.ignored / max(1, self.pixels.sum() + self.ignored + self.outside)


def count_labels(parts: Sequence[Part], scan: Scan) -> Histogram | None:
    """Adds up the labels of the datasets of one split; None where nothing has labels."""
    parts = [part for part in parts if part.has_labels and part.limits]
    if not parts:
        return None
    num_classes = max(part.limits[0] for part in parts)
    pixels, images = np.zeros((2, num_classes), np.int64)
    ignored = outside = 0
    for part in parts:
        for labels in _loaded(part, scan).values():
            for label, number in labels.items():
                if 0 <= label < part.limits[0]:
                    pixels[label] += number
                    images[label] += 1
                elif label == part.limits[1]:
                    ignored += number
                else:
                    outside += number
    return Histogram(_names(parts[0], num_classes), pixels, images, ignored, outside)


def check_labels(part: Part, scan: Scan, parts: Sequence[Part]) -> list[Finding]:
    """Labels outside the classes, and signs that all of them mean something else.

    Args:
        part: The dataset.
        scan: What is in its files.
        parts: All datasets of the config. A sign that those with the same classes do not share, or
            that is seen in a part of the files, may come of a rare class: it is a warning then.
    """
    if not part.has_labels:
        return []
    if part.limits is None:
        message = 'neither the network nor the dataset names classes: labels not checked'
        return [Finding(WARNING, 'not-checked', part.path, message)]
    num_classes, ignore_index = part.limits
    items, total = [], 0
    for path, labels in _loaded(part, scan).items():
        for label, number in labels.items():
            if not 0 <= label < num_classes and label != ignore_index:
                items.append(f'{path}: label {label}, {count(number, "pixel")}')
                total += number
    findings = []
    if items:
        message = (
            f'{count(total, "pixel")} with a label outside 0 to {num_classes - 1} and '
            f'{ignore_index} (ignored)'
        )
        findings.append(Finding(FAULT, 'label-outside', part.path, message, items))
    raw = _count_raw([part], scan)
    if raw and not part.dataset.metainfo.get('label_map'):
        settings = _names(part, num_classes), ignore_index, _is_reduced(part)
        suspicion = suspect(raw, *settings)
        if suspicion:
            severity, message = suspicion
            kin = [p for p in parts if (p.classes, _is_reduced(p)) == (part.classes, settings[2])]
            if scan.partial:
                severity = WARNING
            elif not suspect(_count_raw(kin, scan), *settings):
                severity = WARNING
                message += '; the other data sets of the config hold what is missing here'
            findings.append(Finding(severity, 'label-meaning', part.path, message))
    return findings


def suspect(
    raw: Mapping[int, int], classes: Sequence[str], ignore_index: int, reduce_zero_label: bool
) -> tuple[str, str] | None:
    """Reasons from the values in the files whether they mean what the config takes them for.

    Datasets that map labels on their own (``label_map``) say what they mean: not for them.

    Args:
        raw: Pixels of each value, over all files of a dataset.
        classes: Names of the N classes.
        ignore_index: Label that does not count.
        reduce_zero_label: Whether the pipeline makes 0 ignored and subtracts one from the rest.

    Returns:
        Severity and message; None if nothing is suspicious.
    """
    number, total = len(classes), sum(raw.values())
    values = sorted(value for value in raw if value not in (255, ignore_index))
    if not values:
        return FAULT, f'the files hold nothing but {sorted(raw)}, which is ignored'
    if values == [0] and raw.get(255) and ignore_index == 255:
        return FAULT, (
            f'the files hold 0 and 255 alone, and 255 is ignored: nothing but {classes[0]} is '
            f'learnt; write 1 for the foreground, not 255'
        )
    zero = f'0 ({raw.get(0, 0) / total:.1%} of the pixels)'
    seen = f'the files hold {_ranges(values)}'
    if reduce_zero_label:
        return _suspect_reduced(values, classes, seen, zero)
    if values[-1] == number and values[0] == 0:
        return FAULT, (
            f'{seen} for {number} classes: if {zero} is no class, as in ADE20K, set '
            f'reduce_zero_label=True in the dataset; if it is one, add its name to classes and set '
            f'num_classes={number + 1} in every head'
        )
    if values[-1] == number:
        return FAULT, (
            f'{seen} for {number} classes, one too high: set reduce_zero_label=True in the '
            f'dataset, which makes them 0 to {number - 1}'
        )
    ignored = sum(raw.get(value, 0) for value in {255, ignore_index}) / total
    if number > 2 and values == list(range(number - 1)) and ignored > MUCH_IGNORED:
        return WARNING, (
            f'{seen}, never {number - 1} ({classes[-1]}), and {ignored:.1%} of the pixels are '
            'ignored, as if 1 had been subtracted from every label: check one mask by eye '
            '(tools/analysis_tools/browse_dataset.py)'
        )
    return None


def check_classes(histograms: Mapping[str, Histogram], partial: bool) -> list[Finding]:
    """Classes that never occur, and splits that are mostly ignored.

    Args:
        histograms: By split.
        partial: Whether files were left out: what was not seen may then be there.
    """
    findings = []
    train = histograms.get('train')
    for split, histogram in histograms.items():
        if not histogram.pixels.any():
            message = 'no pixel has a class: all are ignored, outside, or unread'
            findings.append(Finding(FAULT, 'no-labels', split, message))
            continue
        absent = np.flatnonzero(histogram.pixels == 0)
        learnable = train is None or split == 'train' or len(train.pixels) != len(histogram.pixels)
        if len(absent):
            names = [f'{index} {histogram.classes[index]}' for index in absent]
            what = 'cannot be learnt' if split == 'train' else 'mIoU leaves them out'
            message = count(len(absent), 'class never occurs', 'classes never occur')
            message += ' in the files looked at' if partial else f': {what}'
            severity = NOTE if partial else WARNING
            findings.append(Finding(severity, 'class-absent', split, message, names))
        if not learnable:
            unlearnt = np.flatnonzero((train.pixels == 0) & (histogram.pixels > 0))
            if len(unlearnt) and not partial:
                names = [f'{index} {histogram.classes[index]}' for index in unlearnt]
                message = 'classes that occur here, never in train: their IoU will be 0'
                findings.append(Finding(FAULT, 'class-unlearnt', split, message, names))
        if histogram.ignored_share > MUCH_IGNORED:
            message = f'{histogram.ignored_share:.1%} of the pixels are ignored'
            findings.append(Finding(WARNING, 'much-ignored', split, message))
    return findings


def _suspect_reduced(
    values: list[int], classes: Sequence[str], seen: str, zero: str
) -> tuple[str, str] | None:
    number = len(classes)
    set_false = 'set reduce_zero_label=False in the dataset, and in LoadAnnotations if it is there'
    result = (
        f'would ignore {zero}, take each class for the one before it, and leave {classes[-1]} '
        f'without a pixel; {set_false}'
    )
    if values == list(range(number)):
        return (
            FAULT,
            f'{seen}, one for each of the {number} classes: reduce_zero_label=True {result}',
        )
    if classes[0].lower() in BACKGROUND and values[0] == 0 and values[-1] < number:
        return FAULT, (
            f'{seen}, and the first class is {classes[0]}, which 0 usually stands for: '
            f'reduce_zero_label=True {result}'
        )
    # nearly every class is there, and the one label that reducing would need is not
    if values[0] == 0 and values[-1] == number - 1 and len(values) >= 0.75 * number:
        return WARNING, (
            f'{seen}, never {number}: if 0 is {classes[0]}, reduce_zero_label=True {result}'
        )
    return None


def _count_raw(parts: Sequence[Part], scan: Scan) -> dict[int, int]:
    """Pixels of each value in the files of these datasets."""
    raw: dict[int, int] = {}
    paths = {part.path for part in parts}
    for (path, _), look in scan.masks.items():
        if path in paths:
            for value, number in look.raw.items():
                raw[value] = raw.get(value, 0) + number
    return raw


def _is_reduced(part: Part) -> bool:
    return bool(getattr(part.dataset, 'reduce_zero_label', False))


def _loaded(part: Part, scan: Scan) -> dict[str, dict[int, int]]:
    """Labels of each mask that was looked at."""
    return {mask: look.labels for _, _, mask, look in scan.pairs(part) if look}


def _names(part: Part, number: int) -> tuple[str, ...]:
    """One name a class, also where network and dataset disagree on how many there are."""
    names = part.classes[:number]
    return names + tuple(map(str, range(len(names), number)))


def _ranges(values: Sequence[int]) -> str:
    """``0 to 3, 7`` for 0 1 2 3 7."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    said = [f'{run[0]} to {run[-1]}' if len(run) > 1 else str(run[0]) for run in runs]
    return ', '.join(said[:6]) + (f', ... ({len(values)} values)' if len(said) > 6 else '')
