"""A training of milliseconds, by MMEngine's own Runner, and a probe into what is in force in it."""

import copy
import itertools

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import DATASETS, HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import Runner
from torch import nn

NAMES = itertools.count()


@DATASETS.register_module()
class ToyNumbers(torch.utils.data.Dataset):
    metainfo = dict(classes=('a', 'b'))

    def __init__(self, scale=1.0, size=16):
        self.scale, self.size = scale, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return dict(inputs=torch.full((2,), self.scale * index / self.size))


@MODELS.register_module()
class ToyNetwork(BaseModel):
    def __init__(self, loss_weight=1.0, data_preprocessor=None, init_cfg=None):
        super().__init__(data_preprocessor, init_cfg)
        self.body, self.head, self.loss_weight = nn.Linear(2, 2), nn.Linear(2, 1), loss_weight

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.loss_weight * self.head(self.body(inputs)).square().mean())


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ToyConstructor(DefaultOptimWrapperConstructor):
    """Trains at twice the rate that the config says."""

    def __call__(self, model):
        wrapper = super().__call__(model)
        for group in wrapper.param_groups:
            group['lr'] *= 2
        return wrapper


@HOOKS.register_module()
class ToyHook(Hook):
    def __init__(self, size=1):
        self.size = size


class Probe(Hook):
    """Keeps what is in force before every step, by epoch and by name."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        groups = runner.optim_wrapper.optimizer.param_groups
        loop, sampler = runner.train_loop, runner.train_dataloader.sampler
        hooks = {type(hook).__name__: hook for hook in runner.hooks}
        seen = dict(
            groups=[{key: group[key] for key in group if key != 'params'} for group in groups],
            schedules=[scheduler.state_dict() for scheduler in runner.param_schedulers],
            clip_grad=runner.optim_wrapper.clip_grad_kwargs,
            accumulation=runner.optim_wrapper._accumulative_counts,
            inputs=data_batch['inputs'][:, 0].tolist(),
            weights=[parameter.tolist() for parameter in runner.model.parameters()],
            model=[runner.model.loss_weight, runner.model.data_preprocessor._non_blocking],
            loop=[loop.max_epochs, loop.val_interval],
            hooks=[hooks['CheckpointHook'].interval, hooks['ToyHook'].size],
            randomness=[runner.seed, sampler.seed, runner.deterministic],
        )
        for name, value in seen.items():
            steps = self.seen.setdefault(runner.epoch, {}).setdefault(name, [])
            steps.append(copy.deepcopy(value))


def make_config(work_dir, **changes):
    cfg = Config(
        dict(
            experiment_name=f'toy{next(NAMES)}',
            work_dir=str(work_dir),
            model=dict(
                type='ToyNetwork',
                init_cfg=dict(type='Constant', layer='Linear', val=0.5),
                data_preprocessor=dict(type='BaseDataPreprocessor', non_blocking=False),
            ),
            train_dataloader=dict(
                dataset=dict(type='ToyNumbers'),
                batch_size=4,
                collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=True),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='AdamW', lr=0.1, betas=(0.9, 0.999), weight_decay=0.01),
                paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0, decay_mult=1.0))),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.5, begin=0, end=4, by_epoch=False),
                dict(
                    type='PolyLR',
                    power=0.9,
                    eta_min=0.001,
                    begin=1,
                    end=3,
                    by_epoch=True,
                    convert_to_iter_based=True,
                ),
            ],
            auto_scale_lr=dict(enable=False, base_batch_size=2),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
            custom_hooks=[
                dict(type='ToyHook'),
                dict(type='mmseg_ext.ResumeGuardHook'),
                dict(type='mmseg_ext.FineTuneGuardHook'),
            ],
            randomness=dict(seed=0),
            log_level='WARNING',
        ),
        format_python_code=False,  # most of the time of a run so short
    )
    cfg.merge_from_dict(changes)
    return cfg


def train(cfg):
    """Trains; returns the runner, and what was in force by epoch and name."""
    runner, probe = Runner.from_cfg(cfg), Probe()
    runner.register_hook(probe)
    runner.train()
    return runner, probe.seen


def log_of(folder):
    """What a run in a folder logged."""
    return ''.join(path.read_text() for path in folder.glob('*/*.log'))


def edit(file, to, change):
    """Copies a checkpoint through ``change``."""
    checkpoint = torch.load(file, weights_only=False)
    change(checkpoint)
    torch.save(checkpoint, to)
    return to
