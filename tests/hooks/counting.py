"""One of two processes that count bad samples, for test_bad_samples_hook."""

from types import SimpleNamespace

from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch import distributed

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.hooks import BadSamplesHook
from mmseg_ext.hooks.bad_samples_hook import INTERVAL


def batch(*paths):
    samples = [SegDataSample(), SegDataSample()]
    samples[1].set_metainfo(dict(replaced=[(path, 'is empty') for path in paths]))
    return dict(data_samples=samples)


def make_runner(folder, allowed, iteration):
    cfg = Config(dict(guards=dict(max_bad_samples=allowed)))
    logger = SimpleNamespace(warning=lambda text: None)
    return SimpleNamespace(cfg=cfg, work_dir=str(folder), iter=iteration, logger=logger)


def count(rank, folder):
    """Sees a file that both see, each step, and one of its own; writes where it stopped."""
    distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    runner = make_runner(folder, 2, INTERVAL)
    hook = BadSamplesHook()
    hook.before_train(runner)
    known = list(hook.others)
    own = f'of {rank}'
    try:
        for runner.iter in range(INTERVAL, 3 * INTERVAL):
            hook.before_train_iter(runner, 0, batch('both', own))
            own = 'both'
    except UsageError as error:
        said = f'{known} {runner.iter} {error.shared} {error}'
        (folder / f'{rank}.txt').write_text(said)
    distributed.destroy_process_group()
