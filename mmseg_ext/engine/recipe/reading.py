"""What a config trains, in numbers: images, epochs, iterations, steps, schedulers, rates."""

import copy
import dataclasses
import math
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config, find_dicts, is_by_epoch
from mmseg_ext.engine.errors import UsageError

from .rules import Setup

NAMED_GPUS = re.compile(r'_(\d+)xb(\d+)-')  # in a leaf's name, as MMSegmentation has it
VAL_INTERVAL = 1000  # of MMEngine's IterBasedTrainLoop


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A config's training on some GPUs.

    Attributes:
        cfg: The config.
        setup: How a batch is put together.
        images: Training images.
        by_epoch: Whether the loop counts epochs.
        epoch_length: Iterations in which each image is seen once; of an endless sampler a fraction.
        epochs: Length of the training in epochs.
        iterations: In iterations.
    """

    cfg: Config
    setup: Setup
    images: int
    by_epoch: bool
    epoch_length: float
    epochs: float
    iterations: int

    @property
    def steps(self) -> int:
        """Optimizer steps; MMEngine makes one of what is left at the end."""
        return math.ceil(self.iterations / self.setup.accumulation)

    @property
    def samples(self) -> int:
        """Images seen, those included that fill up a GPU's share."""
        share = math.ceil(self.images / self.setup.gpus) * self.setup.gpus
        full = self.epoch_length * self.setup.per_iter
        return round(self.epochs * min(share, full) if self.by_epoch else self.epochs * full)

    @property
    def val_interval(self) -> int:
        """Epochs or iterations between two validations."""
        return self.cfg.train_cfg.get('val_interval', 1 if self.by_epoch else VAL_INTERVAL)

    @property
    def save_interval(self) -> tuple[int, bool]:
        """Epochs or iterations between two checkpoints, and whether they are epochs."""
        hooks = self.cfg.get('default_hooks') or {}
        if 'checkpoint' not in hooks:  # complete_config adds one
            return self.val_interval, self.by_epoch
        hook = hooks['checkpoint'] or {}  # None switches it off
        return hook.get('interval', -1), hook.get('by_epoch', self.by_epoch)

    def in_iterations(self, scheduler: dict) -> tuple[int, int]:
        """Begin and end of a scheduler in iterations."""
        by_epoch = scheduler.get('by_epoch', True)
        begin, end = scheduler.get('begin', 0), scheduler.get('end')
        if end is None:
            end = self.epochs if by_epoch else self.iterations
        unit = self.epoch_length if by_epoch else 1
        return round(begin * unit), round(end * unit)


def read_recipe(cfg: Config, setup: Setup, images: int) -> Recipe:
    """Reads a config's training.

    Args:
        cfg: The config.
        setup: How its batch is put together.
        images: Training images.

    Raises:
        UsageError: The config does not say how long it trains, or the images fill no batch.
    """
    loop, by_epoch = cfg.train_cfg, is_by_epoch(cfg)
    key = 'max_epochs' if by_epoch else 'max_iters'
    if loop.get(key) is None:
        raise UsageError(f'train_cfg.{key} is not set, so the length of the training is unknown')
    if not _is_count(loop[key]):
        raise UsageError(f'train_cfg.{key}={loop[key]} is no whole number above 0')
    loader = cfg.train_dataloader
    if is_endless(loader):
        length = images / setup.per_iter
    else:
        share = math.ceil(images / setup.gpus)  # DefaultSampler fills up the shares
        if share < setup.batch:
            raise UsageError(
                f'{images} training images on {setup.gpus} GPUs fill no batch of {setup.batch} a '
                'GPU; take fewer GPUs, or a smaller train_dataloader.batch_size'
            )
        drop = loader.get('drop_last', False)
        length = (math.floor if drop else math.ceil)(share / setup.batch)
    epochs = int(loop[key]) if by_epoch else int(loop[key]) / length
    iterations = round(epochs * length)
    return Recipe(cfg, setup, images, by_epoch, length, epochs, iterations)


def is_endless(loader: dict) -> bool:
    """Whether a loader's sampler has no epochs."""
    return 'InfiniteSampler' in str((loader.get('sampler') or {}).get('type'))


def read_setup(cfg: Config, gpus: int | None = None) -> tuple[Setup, str | None]:
    """How the batch of a config is put together on the GPUs that it was written for.

    Args:
        cfg: The config, loaded from a file.
        gpus: Their number; default: ``{gpus}xb{batch}`` in the name says it.

    Returns:
        The setup, and a note where the name says another batch than the config.

    Raises:
        UsageError: No training, no batch, not one optimizer, or no number of GPUs.
    """
    for key in ('train_dataloader', 'train_cfg'):
        if not cfg.get(key):
            raise UsageError(f'{cfg.filename} has no {key}: it trains nothing')
    batch = cfg.train_dataloader.get('batch_size')
    if not isinstance(batch, int) or batch < 1:
        raise UsageError(f'{cfg.filename}: train_dataloader.batch_size={batch} is no batch')
    wrapper = cfg.get('optim_wrapper') or {}
    if not wrapper.get('optimizer'):
        raise UsageError(
            f'{cfg.filename} has no optim_wrapper.optimizer; this reads trainings of one optimizer'
        )
    counts = wrapper.get('accumulative_counts', 1)
    if not _is_count(counts):
        raise UsageError(
            f'{cfg.filename}: optim_wrapper.accumulative_counts={counts} is no whole number above 0'
        )
    named = NAMED_GPUS.search(Path(cfg.filename).name)
    if not gpus and not named:
        raise UsageError(
            f'{Path(cfg.filename).name} does not say for how many GPUs it is (as 3xb6 does); '
            'say it with --of-gpus'
        )
    note = None
    if named and int(named[2]) != batch:
        note = f'the name says b{named[2]}, train_dataloader.batch_size={batch} is what trains'
    return Setup(gpus or int(named[1]), batch, int(counts)), note


def count_images(cfg: Config) -> int:
    """Counts the training images of a config, without loading one; wrappers count.

    Raises:
        UsageError: The files are not there, and ``--images`` is the way out.
    """
    completed = copy.deepcopy(cfg)
    complete_config(completed)  # a leaf's data_root reaches its datasets so
    dataset = completed.train_dataloader.dataset
    try:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
            for path, node in preflight.find_datasets('train', dataset):
                if preflight.is_remote(node):
                    raise UsageError(f'{path} lies on a server')
                preflight.build_dataset(path, node)
            for _, node in find_dicts(dataset, 'pipeline'):
                node['pipeline'] = []
            return len(DATASETS.build(dataset))
    except UsageError as error:
        raise UsageError(f'{error}; or say how many images there are with --images') from error


def _is_count(value) -> bool:
    """Whether it is a whole number above 0, as MMEngine's ``int`` takes 3.0 too."""
    return isinstance(value, (int, float)) and value >= 1 and value % 1 == 0
