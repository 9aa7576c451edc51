"""A sampler whose draws carry a seed, and which can begin in the middle."""

import itertools
from collections.abc import Iterator, Sized

from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import DataLoader, Sampler

from mmseg_ext.registry import DATA_SAMPLERS

from .seeded_dataset import Draw


def find_sampler(loader: DataLoader) -> 'SeededSampler | None':
    """The sampler of a loader, also behind a batch sampler; None if it is another kind."""
    sampler = getattr(loader.batch_sampler, 'sampler', None)
    return sampler if isinstance(sampler, SeededSampler) else None


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Wraps a sampler; yields its indices as ``Draw`` with the seed (seed, epoch, pass, index).

    *Pass* counts how often an endless or oversampling sampler has been through the data, so that an
    image that comes twice in an epoch is augmented in two ways. ``mmseg_ext.Runner`` wraps every
    loader's sampler.

    Args:
        dataset: The dataset.
        sampler: Config of the sampler, such as ``dict(type='DefaultSampler', shuffle=True)``.
        seed: Seed of the run, the same in all processes; None draws one.
    """

    def __init__(self, dataset: Sized, sampler: dict, seed: int | None = None) -> None:
        self.seed = sync_random_seed() if seed is None else seed
        self.sampler = DATA_SAMPLERS.build(
            sampler, default_args=dict(dataset=dataset, seed=self.seed)
        )
        self.dataset = dataset  # batch samplers that group by shape look for it
        self.epoch = 0
        self.first = 0
        if hasattr(self.sampler, 'skip'):
            # an endless one: MMEngine's IterBasedTrainLoop then resumes without loading
            self.skip = self.start_at

    def __iter__(self) -> Iterator[Draw]:
        first, self.first = self.first, 0
        rank, world_size = get_dist_info()
        indices = itertools.islice(self.sampler, first, None)
        for position, index in enumerate(indices, first):
            past = (position * world_size + rank) // len(self.dataset)
            yield Draw(index, (self.seed, self.epoch, past, index))

    def __len__(self) -> int:
        return len(self.sampler)

    def start_at(self, num_samples: int) -> None:
        """Lets the next iteration leave out this process's first ``num_samples`` draws."""
        self.first = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Tells the epoch, which changes the order and the seeds."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def set_seed(self, seed: int) -> None:
        """Changes the seed, to that of the run that is resumed."""
        self.seed = self.sampler.seed = seed
