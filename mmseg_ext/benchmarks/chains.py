"""Pipelines timed transform by transform, in one process."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from mmseg_ext.datasets.seeded_dataset import Draw, SeededDataset


class Chain(Dataset):
    """Samples that go through a pipeline, which is timed.

    Args:
        pipeline: Configs of the transforms, or the transforms.
        infos: What a dataset says about each sample.
        clock: Gives seconds.

    Attributes:
        names: Of the transforms.
    """

    def __init__(
        self,
        pipeline: Sequence[dict | Callable],
        infos: Sequence[dict],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.transforms = Compose(pipeline).transforms
        self.names = [type(each).__name__ for each in self.transforms]
        self.infos = infos
        self.clock = clock
        self.seeded = SeededDataset(self)

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> np.ndarray:
        """Loads a sample; returns the seconds of each transform."""
        # as a dataset gives it out: transforms add to lists in it
        sample = copy.deepcopy(self.infos[index])
        times = [self.clock()]
        for transform in self.transforms:
            sample = transform(sample)
            times.append(self.clock())
        return np.diff(times)

    def load(self, index: int, seed: int = 0) -> np.ndarray:
        """Loads a sample as training would, seeded; returns the seconds of each transform."""
        return self.seeded[Draw(index, (seed, 0, 0, index))]


def time_chains(chains: dict[str, Chain], repeats: int) -> dict[str, np.ndarray]:
    """Times chains sample by sample in turn, so that what else the machine does meets them alike.

    Each has one round before, uncounted: it reads files into memory, and fills tables and caches.

    Args:
        chains: By name.
        repeats: Rounds; in each, each chain loads all its samples, the same every time.

    Returns:
        By name the mean seconds of a sample in each transform, each sample at its fastest.
    """
    best: dict[str, dict[int, np.ndarray]] = {name: {} for name in chains}
    longest = max(len(chain) for chain in chains.values())
    for number in range(repeats + 1):
        for index in range(longest):
            for name, chain in chains.items():
                if index >= len(chain):
                    continue
                seconds, known = chain.load(index), best[name].get(index)
                if number and (known is None or seconds.sum() < known.sum()):
                    best[name][index] = seconds
    return {name: np.mean(list(found.values()), axis=0) for name, found in best.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps OpenCV and PyTorch to one thread meanwhile."""
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])
