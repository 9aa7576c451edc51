"""A training loop that goes on in the middle of an epoch."""

from mmengine.runner import EpochBasedTrainLoop as MMEngineEpochBasedTrainLoop

from mmseg_ext.datasets.seeded_sampler import find_sampler
from mmseg_ext.registry import LOOPS


@LOOPS.register_module()
class EpochBasedTrainLoop(MMEngineEpochBasedTrainLoop):
    """MMEngine's loop, which can finish a broken epoch instead of repeating it.

    Attributes:
        first_batch: Batches of the next epoch that were trained on before a resume.
    """

    first_batch = 0

    def run_epoch(self) -> None:
        """Iterates one epoch, or what is left of it."""
        first, self.first_batch = self.first_batch, 0
        if first:
            find_sampler(self.dataloader).start_at(first * self.dataloader.batch_sampler.batch_size)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in enumerate(self.dataloader, first):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
