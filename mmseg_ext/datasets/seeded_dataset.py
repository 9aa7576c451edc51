"""A dataset whose random transforms depend on the draw alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset, get_worker_info

from mmseg_ext.registry import DATASETS

from .bad_samples import find_leaves, load_named, load_or_replace


class Draw(int):
    """An index into a dataset that knows the seed of its augmentation.

    Args:
        index: The index.
        seed: Non-negative whole numbers that tell this draw from every other.
    """

    def __new__(cls, index: int, seed: tuple[int, ...]) -> 'Draw':
        """Makes the index; an int cannot be changed later."""
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __getnewargs__(self) -> tuple[int, tuple[int, ...]]:
        """What it takes to make it again in a worker."""
        return int(self), self.seed


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Wraps a dataset; seeds ``random``, NumPy and torch for each ``Draw`` before it is loaded.

    So the augmentation of a sample is the same with any number of workers, and in a run that was
    broken off and resumed. In the main process the generators are put back afterwards, so that
    dropout does not depend on the number of workers either. A plain int as index changes nothing.
    ``mmseg_ext.Runner`` wraps every loader's dataset; all its other attributes are the dataset's.

    A sample that does not load is named. MMEngine's datasets put another one in its place, without
    a word, where the pipeline returns None; here that is a failure too (``max_refetch`` becomes 0).

    Added metainfo: ``draw_seed``, the numbers that the sample was seeded with, for what is drawn of
    whole batches later; lists of samples, as in TTA, are left alone.

    Args:
        dataset: Config of the dataset, or the dataset.
        max_bad_samples: How many files may fail to load; others take their places, which is for
            training alone (``load_or_replace``). 0 stops at the first.

    Raises:
        UsageError: When loading: the loaders' own, or more files fail than may.
        RuntimeError: When loading: any other error of the pipeline, with the file.
    """

    def __init__(self, dataset: dict | Dataset, max_bad_samples: int = 0) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.max_bad_samples = max_bad_samples
        for leaf in find_leaves(self.dataset):
            leaf.max_refetch = 0

    def __getattr__(self, name: str):
        # while it is unpickled; and loaders must not find another way to the samples
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int):
        """Loads a sample."""
        if not isinstance(index, Draw):
            return self.dataset[index]
        if self.max_bad_samples:
            return load_or_replace(self.dataset, index, self._load, self.max_bad_samples)
        return load_named(self.dataset, index, self._load)

    def _load(self, draw: Draw):
        with _seeded(draw.seed):
            loaded = self.dataset[int(draw)]
        sample = loaded.get('data_samples') if isinstance(loaded, dict) else None
        if isinstance(sample, BaseDataElement):
            sample.set_metainfo(dict(draw_seed=draw.seed))
        return loaded


@contextmanager
def _seeded(seed: tuple[int, ...]) -> Iterator[None]:
    in_worker = get_worker_info() is not None
    states = None if in_worker else (random.getstate(), np.random.get_state())
    # the CPU's generator alone: torch.manual_seed would reset the GPU's too
    state = None if in_worker else torch.default_generator.get_state()
    words = np.random.SeedSequence(seed).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        if not in_worker:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.default_generator.set_state(state)
