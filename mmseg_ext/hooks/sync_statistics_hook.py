"""The same normalisation statistics in every process."""

from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class SyncStatisticsHook(Hook):
    """Averages BatchNorm's running statistics over the processes after every iteration.

    For layers that are not synchronised: without it each process validates with statistics of its
    own, and the checkpoint holds those of the first. MMEngine's SyncBuffersHook does so at the end
    of an epoch, which an iteration-based loop does not have before it validates.
    """

    priority = 'VERY_HIGH'  # before a checkpoint is saved

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Averages the floating-point buffers of the network."""
        buffers = [buffer for buffer in runner.model.buffers() if buffer.is_floating_point()]
        if buffers:
            all_reduce_params(buffers, op='mean')
