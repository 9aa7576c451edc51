"""What the learning rate will be, found by stepping the schedulers without a network."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

from mmengine.optim import _ParamScheduler

RATES = ('lr', 'initial_lr', 'max_lr', 'min_lr')  # OneCycleLR keeps the last two in the groups


class Simulation:
    """Copies of schedulers that step on numbers alone; the originals stay as they are.

    Groups of equal rates are one here, so that the hundreds of groups that a ``paramwise_cfg``
    makes cost no more than their few rates. Schedulers of other values than the learning rate, and
    those that need validation results (``ReduceOnPlateauLR``), are left out.

    Args:
        groups: The optimizer's parameter groups, as the schedulers know them.
        schedulers: Built schedulers.
        states: Their states from a checkpoint, by place in the list; default: those they have.
    """

    def __init__(
        self,
        groups: Sequence[dict],
        schedulers: Sequence[_ParamScheduler],
        states: Sequence[dict] | None = None,
    ):
        keys = [tuple(str(group.get(rate)) for rate in RATES) for group in groups]
        distinct = list(dict.fromkeys(keys))
        chosen = [keys.index(key) for key in distinct]
        self.places = [distinct.index(key) for key in keys]
        self.groups = [
            {rate: float(groups[index][rate]) for rate in RATES if rate in groups[index]}
            for index in chosen
        ]
        self.schedulers = []
        for place, scheduler in enumerate(schedulers):
            if scheduler.param_name != 'lr' or getattr(scheduler, 'need_val_args', False):
                continue
            stepped = copy.copy(scheduler)
            if states is not None and place < len(states):
                stepped.load_state_dict(states[place])
            stepped.optimizer = SimpleNamespace(param_groups=self.groups, step=None)
            stepped.base_values = [stepped.base_values[index] for index in chosen]
            self.schedulers.append(stepped)

    def end(self, epoch_length: int | None) -> float:
        """When the last scheduler ends: in epochs, or in iterations where there are no epochs.

        Args:
            epoch_length: Iterations of an epoch; None in a loop that counts iterations, which steps
                schedulers of epochs not before its end.
        """
        ends = [
            scheduler.end if scheduler.by_epoch else scheduler.end / (epoch_length or 1)
            for scheduler in self.schedulers
            if epoch_length or not scheduler.by_epoch
        ]
        return max(ends, default=0)

    def run(
        self, epochs: int, epoch_length: int, epoch: int = 0, done: int = 0
    ) -> tuple[list[float], list[float]]:
        """Steps through a training as ParamSchedulerHook does, or until all schedulers have ended.

        Args:
            epochs: Epochs to come; 1 in a loop that counts iterations.
            epoch_length: Iterations of an epoch; all that are to come in such a loop.
            epoch: Epochs done before.
            done: Iterations done before.

        Returns:
            The highest and the last learning rate of each of the groups.
        """
        highest = [0.0] * len(self.groups)
        for rates in self.in_force(epochs, epoch_length, epoch, done):
            highest = list(map(max, highest, rates))
        last = [group['lr'] for group in self.groups]
        return [highest[place] for place in self.places], [last[place] for place in self.places]

    def in_force(
        self, epochs: int, epoch_length: int, epoch: int = 0, done: int = 0
    ) -> Iterator[list[float]]:
        """Yields the distinct learning rates that each step takes; ``places`` says whose they are.

        Args:
            epochs: As in ``run``.
            epoch_length: As in ``run``.
            epoch: As in ``run``.
            done: As in ``run``.
        """
        with warnings.catch_warnings():
            # that no optimizer steps between them
            warnings.simplefilter('ignore', UserWarning)
            for _ in self._steps(epochs, epoch_length, epoch, done):
                yield [group['lr'] for group in self.groups]

    def _steps(self, epochs: int, epoch_length: int, epoch: int, done: int) -> Iterator[None]:
        """Pauses wherever a new rate is in force; what the last step of all would set, never is."""
        by_epoch = [scheduler for scheduler in self.schedulers if scheduler.by_epoch]
        by_iter = [scheduler for scheduler in self.schedulers if not scheduler.by_epoch]
        last_epoch = max((scheduler.end for scheduler in by_epoch), default=0)
        last_iter = max((scheduler.end for scheduler in by_iter), default=0)
        for current in range(epoch, epoch + epochs):
            if done >= last_iter and current >= last_epoch:
                break
            steps = min(epoch_length, max(last_iter - done, 0))
            for _ in range(steps):
                yield
                for scheduler in by_iter:
                    scheduler.step()
            if steps < epoch_length:
                yield
            done += epoch_length
            for scheduler in by_epoch:
                scheduler.step()
        else:
            return
        yield


def recorded_length(checkpoint: dict, old: dict) -> tuple[int | None, int | None]:
    """Epochs and iterations of the whole training that a checkpoint is from; None where unknown.

    Args:
        checkpoint: As loaded. RuntimeInfoHook leaves both there.
        old: Its config, which has one of them.
    """
    info = (checkpoint.get('message_hub') or {}).get('runtime_info') or {}
    loop = old.get('train_cfg') or {}
    return tuple(info.get(key) or loop.get(key) for key in ('max_epochs', 'max_iters'))
