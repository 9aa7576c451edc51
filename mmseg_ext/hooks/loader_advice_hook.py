"""Says what would help a network that waits for data."""

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.engine import preflight
from mmseg_ext.engine.distributed import local_process_count
from mmseg_ext.prepare.jobs import count_cores
from mmseg_ext.registry import HOOKS

from .timed import timed


@HOOKS.register_module()
class LoaderAdviceHook(Hook):
    """Warns once if a good part of the training is waiting for data, with what would help.

    The waiting is ``data_time`` of MMEngine's ``IterTimerHook``. Only if it is too much, the main
    process loads a few samples, for two seconds at most, with this pipeline and its fast spellings:
    the advice has the images a second of each, and the workers that would be enough.

    Args:
        share: Share of a step in waiting, 0 to 1, from which it warns.
        window: Steps that are averaged.
        skip: First steps of each epoch that do not count: workers start then, or have had time to
            load ahead.

    Raises:
        ValueError: A setting is out of range.
    """

    priority = 'LOW'  # after IterTimerHook

    def __init__(self, share: float = 0.1, window: int = 50, skip: int = 5):
        if not 0 < share < 1:
            raise ValueError(f'share={share} is not between 0 and 1')
        if window < 1 or skip < 0:
            raise ValueError(f'window={window} has to be 1 or more, skip={skip} 0 or more')
        self.share = share
        self.window = window
        self.skip = skip

    def before_train(self, runner: Runner) -> None:
        """Begins to measure."""
        self.steps: list[tuple[float, float]] = []
        self.skipped = 0
        self.found: tuple[float, float] | None = None
        self.is_done = not is_main_process()

    def before_train_epoch(self, runner: Runner) -> None:
        """Leaves out the first steps of the epoch."""
        self.skipped = 0

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Advises; here, where the timer has the waiting already, this counts as the step."""
        if self.found:
            self._advise(runner, *self.found)
            self.found = None

    @timed
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs=None
    ) -> None:
        """Measures, and looks at the average when there are enough steps."""
        times = runner.message_hub.log_scalars
        if self.is_done or 'train/data_time' not in times:
            return
        if self.skipped < self.skip:
            self.skipped += 1
            return
        self.steps.append((times['train/data_time'].current(), times['train/time'].current()))
        if len(self.steps) < self.window:
            return
        wait, step = np.mean(self.steps, axis=0)
        self.steps.clear()
        if wait > self.share * step:
            self.is_done, self.found = True, (wait, step)

    def _advise(self, runner: Runner, wait: float, step: float) -> None:
        # brings the benchmark, which few runs need
        from mmseg_ext.benchmarks.advice import Loading, describe

        loader = runner.train_dataloader
        batch_size = getattr(loader.batch_sampler, 'batch_size', None) or 1
        cores = max(1, count_cores() // local_process_count())
        loading = Loading(wait, step, batch_size, loader.num_workers, cores)
        rates = {}
        try:
            rates = _measure(runner)
        # whatever a pipeline does with samples that it is not used to: the run goes on
        except Exception as error:
            cause = f'{type(error).__name__}: {error}'
            runner.logger.warning(f'LoaderAdviceHook cannot load samples by itself: {cause}')
        runner.logger.warning(describe(loading, rates))


def _measure(runner: Runner) -> dict[str, float]:
    """Images a second of the first of the run's datasets; empty if it has no pipeline."""
    from mmseg_ext.benchmarks.advice import IMAGES, measure
    from mmseg_ext.datasets.bad_samples import find_leaves

    nodes = preflight.find_datasets('train', runner.cfg.train_dataloader['dataset'])
    pipelines = [node['pipeline'] for _, node in nodes if node.get('pipeline')]
    leaves = list(find_leaves(runner.train_dataloader.dataset))
    if not pipelines or not leaves:
        return {}
    # not its first samples: those may be in memory already
    chosen = np.unique(np.linspace(0, len(leaves[0]) - 1, IMAGES).round().astype(int))
    return measure(pipelines[0], [leaves[0].get_data_info(int(index)) for index in chosen])
