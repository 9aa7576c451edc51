"""Images that a config uses twice: for training, or for training and for validation."""

import logging
import os
from collections import Counter
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
        repeated: Those that it names more than once, sorted.
    """

    path: str
    source: str
    images: frozenset[str]
    repeated: tuple[str, ...] = ()


def make_part(path: str, node: dict, dataset: BaseDataset) -> Part:
    """Looks which images a dataset consists of.

    Args:
        path: Its place in the config.
        node: Its config.
        dataset: Built of it.
    """
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    images = Counter(os.path.abspath(info['img_path']) for info in infos if info.get('img_path'))
    repeated = sorted(image for image, count in images.items() if count > 1)
    prefix = (node.get('data_prefix') or {}).get('img_path')
    place = node.get('ann_file') or prefix or ''
    source = os.path.abspath(Path(node.get('data_root') or '', place))
    return Part(path, source, frozenset(images), tuple(repeated))


def check_overlap(train: Sequence[Part], val: Sequence[Part], allowed: bool = False) -> None:
    """Looks for images that are in two parts of the training set, or in training and validation.

    The same list twice is what somebody wants who shows it twice as often, or who tries whether a
    network can learn it by heart: a warning. So is an image in two lists of the training set, or
    twice in one, and training on trainval, whose name says it; trainaug beside train or aug is
    nobody's intention.

    Args:
        train: Parts of the training set.
        val: Parts of the validation set.
        allowed: Warn in place of raising.

    Raises:
        UsageError: A list beside one that its name says it holds (trainaug and aug), or an image of
            a training list that is in another list for validation.
    """
    for index, part in enumerate(train):
        if part.repeated:
            _warn(
                f'{part.path} ({part.source}) names {len(part.repeated):,} images more than once, '
                f'{part.repeated[0]} for one'
            )
        for other in train[index + 1 :]:
            _check_pair(part, other, allowed)
        for other in val:
            _check_leak(part, other, allowed)


def _check_pair(one: Part, two: Part, allowed: bool) -> None:
    shared = one.images & two.images
    if not shared:
        return
    what = _say(shared, one, two)
    for whole, part in ((one, two), (two, one)):
        if _holds(whole, part):
            parts = UNIONS[Path(whole.source).stem]
            _refuse(
                f'{what}, so that each would count twice; train on {Path(whole.source).name} '
                f'alone, or on {" and ".join(parts)}',
                allowed,
            )
            return
    _warn(f'{what}: each counts twice')


def _check_leak(train: Part, val: Part, allowed: bool) -> None:
    shared = train.images & val.images
    if not shared:
        return
    what = _say(shared, train, val)
    if train.source == val.source or _holds(train, val):
        _warn(f'{what}: the scores will say how well they are learned by heart')
        return
    _refuse(
        f'{what}: the scores would say nothing of unseen images; take them out of the training '
        'list, or train without validation: val_dataloader, val_cfg and val_evaluator=None',
        allowed,
    )


def _holds(whole: Part, part: Part) -> bool:
    """Whether a list's name says that it consists of the other one and more."""
    return Path(part.source).stem in UNIONS.get(Path(whole.source).stem, ())


def _say(shared: frozenset[str], one: Part, two: Part) -> str:
    return (
        f'{one.path} ({one.source}) and {two.path} ({two.source}) share {len(shared):,} images, '
        f'{min(shared)} for one'
    )


def _refuse(message: str, allowed: bool) -> None:
    if not allowed:
        way_out = 'to go on: --allow-overlap, or guards.allow_overlap=True'
        raise UsageError(f'{message} ({way_out})')
    _warn(message)


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
