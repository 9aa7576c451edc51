"""Lets a resumed run continue the broken one to the digit."""

import random

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import BatchSampler

from mmseg_ext.datasets.seeded_sampler import find_sampler
from mmseg_ext.registry import HOOKS

from .timed import timed


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keeps each process's random state, and the place in the epoch, in the checkpoint.

    On a resume the seed of the broken run is used for sampling and augmentation too, also where the
    config names none. With another number of processes the states do not fit and are left out; the
    place in the epoch still holds, in samples. The loss curve is the unbroken one's on a CPU; on a
    GPU as far as its kernels repeat themselves (``randomness=dict(deterministic=True)``).

    Needs ``mmseg_ext.Runner``, and ``mmseg_ext.CheckpointHook``, which calls ``before_checkpoint``
    in all processes.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self.states: list[dict] | None = None
        self.to_restore: dict | None = None
        self.batches_done = 0

    def before_train_epoch(self, runner: Runner) -> None:
        """The epoch begins."""
        self.batches_done = getattr(runner.train_loop, 'first_batch', 0)

    @timed
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Restores this process's state before the first step after a resume."""
        if self.to_restore is not None:
            _set_state(self.to_restore)
            self.to_restore = None

    @timed
    def after_train_iter(self, runner: Runner, batch_idx: int, *args, **kwargs) -> None:
        """Counts the batches of this epoch."""
        self.batches_done = batch_idx + 1

    def after_train_epoch(self, runner: Runner) -> None:
        """The epoch is complete."""
        self.batches_done = 0

    def before_checkpoint(self, runner: Runner) -> None:
        """Collects the states of all processes; all have to call it."""
        # before the first step the state to restore is the one that counts
        self.states = all_gather_object(self.to_restore or _get_state())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Puts the states and the place in the epoch into the checkpoint."""
        if self.states is not None:
            checkpoint['random_states'] = self.states
        checkpoint['meta']['epoch_samples'] = self.batches_done * _global_batch(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Takes over the place in the epoch, the seed and this process's state, on a resume."""
        if not (runner.cfg.get('resume') and runner.cfg.get('train_cfg')):
            return
        meta = checkpoint['meta']
        sampler = find_sampler(runner.train_dataloader)
        if sampler and meta.get('seed') is not None:
            sampler.set_seed(meta['seed'])
        self._find_place(runner, meta.get('epoch_samples', 0))
        states = checkpoint.get('random_states') or []
        if len(states) == get_world_size():
            self.to_restore = states[get_rank()]
        elif states:
            runner.logger.warning(
                f'the checkpoint is of {len(states)} processes, this run has {get_world_size()}: '
                'its losses will not be those of an unbroken run'
            )

    def _find_place(self, runner: Runner, samples: int) -> None:
        """Tells the loop how many batches of the epoch are done."""
        if not samples or not hasattr(runner.train_loop, 'first_batch'):
            return
        loader = runner.train_dataloader
        # one that groups samples in its own way cannot begin in the middle
        if type(loader.batch_sampler) is BatchSampler and find_sampler(loader):
            runner.train_loop.first_batch = samples // _global_batch(runner)
        else:
            runner.logger.warning(
                f'{type(loader.batch_sampler).__name__} cannot begin in the middle of an epoch: '
                'the broken epoch is trained again from its start'
            )


def _global_batch(runner: Runner) -> int:
    batch_sampler = runner.train_dataloader.batch_sampler
    return getattr(batch_sampler, 'batch_size', 1) * get_world_size()


def _get_state() -> dict:
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return dict(
        python=[version, list(words), gauss],
        numpy=[name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    )


def _set_state(state: dict) -> None:
    version, words, gauss = state['python']
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    keys = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, cached))
    # a checkpoint is read onto the GPU, but generators are set from the CPU
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
