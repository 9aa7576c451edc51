"""Images that a config uses twice: within its training set, or for training and validation."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .errors import UsageError

# What a list named so consists of: the tools that make VOC 2012 + SBD write it beside its parts.
UNIONS = {'trainaug': ('train', 'aug'), 'train_aug': ('train', 'aug'), 'trainval': ('train', 'val')}


@dataclass(frozen=True)
class Part:
    """One dataset of a loader.

    Attributes:
        path: Its place in the config.
        source: Its list, or without one the folder of its images.
        images: Absolute paths of its images.
    """

    path: str
    source: str
    images: frozenset[str]


def make_part(path: str, node: dict, dataset: BaseDataset) -> Part:
    """Looks which images a dataset consists of.

    Args:
        path: Its place in the config.
        node: Its config.
        dataset: Built of it.
    """
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    images = frozenset(os.path.abspath(info['img_path']) for info in infos if info.get('img_path'))
    prefix = (node.get('data_prefix') or {}).get('img_path')
    place = node.get('ann_file') or prefix or ''
    return Part(path, os.path.abspath(Path(node.get('data_root') or '', place)), images)


def check_overlap(train: Sequence[Part], val: Sequence[Part]) -> None:
    """Looks for images that are in two parts of the training set, or in training and validation.

    The same list twice is what somebody wants who shows it twice as often, or who tries whether a
    network can learn it by heart: a warning. So is an image in two lists of the training set, but
    for a list that holds the other one by its name; and training on trainval, which says it.

    Raises:
        UsageError: trainaug beside train or aug, or an image of a training list that is in another
            list for validation.
    """
    for index, part in enumerate(train):
        for other in train[index + 1 :]:
            _check_pair(part, other)
        for other in val:
            _check_leak(part, other)


def _check_pair(one: Part, two: Part) -> None:
    shared = one.images & two.images
    if not shared:
        return
    what = _say(shared, one, two)
    for whole, part in ((one, two), (two, one)):
        if _holds(whole, part):
            raise UsageError(
                f'{what}; {Path(whole.source).name} has them already, so that each counts twice: '
                f'leave out {part.path}'
            )
    _warn(f'{what}: each counts twice')


def _check_leak(train: Part, val: Part) -> None:
    shared = train.images & val.images
    if not shared:
        return
    what = _say(shared, train, val)
    if train.source == val.source or _holds(train, val):
        _warn(f'{what}: the scores will say how well they are learned by heart')
        return
    raise UsageError(
        f'{what}: the scores would say nothing of unseen images; take them out of the training '
        'list, or train without validation: val_dataloader, val_cfg and val_evaluator=None'
    )


def _holds(whole: Part, part: Part) -> bool:
    """Whether a list's name says that it consists of the other one and more."""
    return Path(part.source).stem in UNIONS.get(Path(whole.source).stem, ())


def _say(shared: frozenset[str], one: Part, two: Part) -> str:
    return (
        f'{one.path} ({one.source}) and {two.path} ({two.source}) share {len(shared):,} images, '
        f'{min(shared)} for one'
    )


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
