"""The Runner of our configs, in force under the stock tools/train.py as well."""

import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as MMEngineRunner
from torch import nn
from torch.utils.data import DataLoader

from mmseg_ext.registry import RUNNERS

from . import preflight
from .checkpoint.files import writing_whole
from .checkpoint.reading import register_loaders
from .config import DEFAULT_HOOKS, complete_config
from .distributed import (
    check_process_count,
    join_process_group,
    local_process_count,
    on_cpu,
    raise_together,
)
from .errors import UsageError
from .formatted_config import FormattedOnceConfig
from .guards import read_guards
from .optim_checks import silent_settings, unfinished
from .resume import resolve_resume
from .workers import shield_workers


@RUNNERS.register_module()
class Runner(MMEngineRunner):
    """MMEngine's Runner; checks its config first, and works on machines without a GPU too.

    - ``from_cfg`` completes the config (``complete_config``) and checks it (``preflight.check``)
      before a folder is made. From then on this process reads checkpoints as tensors and plain data
      (``register_loaders``).
    - Without a GPU, several processes train over gloo, SyncBN becomes BN (each process normalises
      its own samples), and AMP is left out, with a warning.
    - A resume goes on from the newest whole checkpoint (``resolve_resume``).
    - An evaluation keeps its config beside its log and does not replace the training run's.

    Raises:
        UsageError: From the checks.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'Runner':
        """Builds a Runner from a config, which is left as it was."""
        cfg = FormattedOnceConfig.copy_of(cfg)
        launcher = cfg.get('launcher', 'none')
        if launcher != 'none':
            check_process_count(local_process_count())
            join_process_group(launcher, cfg.get('env_cfg', {}))
        error, given = None, cfg.get('load_from')
        try:
            complete_config(cfg)
            notes = resolve_resume(cfg)
            preflight.check(cfg)
        except UsageError as found:
            error = found
        raise_together(error)
        register_loaders(cfg.guards.unsafe_load)
        runner = super().from_cfg(cfg)
        if cfg.get('resume'):
            # MMEngine wants the file in load_from; reused, such a config would fine-tune
            runner.cfg.resume, runner.cfg.load_from = cfg.load_from, given
            runner.dump_config()
        for note in notes:
            runner.logger.warning(note)
        return runner

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Builds a loader whose samples depend on seed, epoch and index alone.

        Its workers outlive a signal to the job until the last step is saved.
        """
        if isinstance(dataloader, DataLoader):
            return dataloader
        cfg = dict(dataloader)
        for part, kind in (('dataset', 'SeededDataset'), ('sampler', 'SeededSampler')):
            wrapper = f'mmseg_ext.{kind}'
            if isinstance(cfg.get(part), dict) and cfg[part].get('type') != wrapper:
                cfg[part] = {'type': wrapper, part: cfg[part]}
        loader = MMEngineRunner.build_dataloader(cfg, seed, diff_rank_seed)
        # each epoch draws a seed for its workers, which must not come from the network's generator
        loader.generator = torch.Generator()
        shield_workers(loader)
        return loader

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Builds the training loop, whose loader alone may replace samples that do not load."""
        loader, allowed = self._train_dataloader, read_guards(self.cfg).max_bad_samples
        if allowed and isinstance(loader, dict) and isinstance(loader.get('dataset'), dict):
            dataset = dict(
                type='mmseg_ext.SeededDataset', dataset=loader['dataset'], max_bad_samples=allowed
            )
            self._train_dataloader = dict(loader, dataset=dataset)
        return super().build_train_loop(loop)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args, **kwargs) -> None:
        """Saves a checkpoint: under a temporary name first, then whole, with a checksum beside it.

        Raises:
            OSError: The disk is full, say; an older file of that name is then untouched.
        """
        if '://' in str(out_dir):
            super().save_checkpoint(out_dir, filename, *args, **kwargs)
            return
        with writing_whole(Path(out_dir, filename)) as part:
            super().save_checkpoint(str(part.parent), part.name, *args, **kwargs)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wraps the network for several processes; on a CPU without device ids and SyncBN."""
        if self.distributed and on_cpu():
            self.logger.warning(
                'no GPU: running on the CPU over gloo; SyncBN layers become BN, '
                'each process normalises over its own samples'
            )
            model = revert_sync_batchnorm(model)
            model_wrapper_cfg = dict(model_wrapper_cfg or {}, device_ids=None)
            # as MMEngine's own default wrapper
            unused = self.cfg.get('find_unused_parameters', False)
            model_wrapper_cfg.setdefault('find_unused_parameters', unused)
            model_wrapper_cfg.setdefault('broadcast_buffers', False)
        return super().wrap_model(model_wrapper_cfg, model)

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Registers the config's default hooks; on CPUs one that keeps BN's statistics equal."""
        # None switches a hook off; MMEngine knows that for its own six alone
        off = {name for name in DEFAULT_HOOKS if (hooks or {}).get(name) is None}
        kept = {name: hook for name, hook in (hooks or {}).items() if name not in off}
        super().register_default_hooks(kept)
        if self.distributed and on_cpu():
            self.register_hook(dict(type='mmseg_ext.SyncStatisticsHook'))

    def build_optim_wrapper(self, optim_wrapper: OptimWrapper | dict) -> OptimWrapper:
        """Builds the optimizer, and warns of settings without effect.

        Without a GPU an ``AmpOptimWrapper`` becomes a plain one.
        """
        is_config = isinstance(optim_wrapper, dict)
        if is_config and optim_wrapper.get('type') == 'AmpOptimWrapper' and on_cpu():
            self.logger.warning('no GPU: AMP is off, training in float32')
            amp_only = ('loss_scale', 'dtype', 'use_fsdp')
            kept = {key: value for key, value in optim_wrapper.items() if key not in amp_only}
            optim_wrapper = dict(kept, type='OptimWrapper')
        built = super().build_optim_wrapper(optim_wrapper)
        if is_config and not isinstance(built, OptimWrapperDict):
            for said in silent_settings(self.model, optim_wrapper, built.optimizer):
                self.logger.warning(said)
        return built

    def build_param_scheduler(
        self, scheduler: _ParamScheduler | dict | list
    ) -> list[_ParamScheduler] | dict[str, list[_ParamScheduler]]:
        """Builds the schedulers, and warns of those that the training will not come near to."""
        built = super().build_param_scheduler(scheduler)
        for schedulers in built.values() if isinstance(built, dict) else [built]:
            for said in unfinished(schedulers, self.max_epochs, self.max_iters):
                self.logger.warning(said)
        return built

    @master_only
    def dump_config(self) -> None:
        """Writes the resolved config: into the run's folder, for an evaluation beside its log."""
        if self.cfg.get('train_cfg'):
            super().dump_config()
        else:
            name = os.path.basename(self.cfg.filename or 'config.py')
            self.cfg.dump(os.path.join(self.log_dir, name))
