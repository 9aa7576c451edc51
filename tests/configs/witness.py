"""What a training did that its files do not show."""

import json
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmseg_ext.engine.checkpoint.matching import unwrap


@HOOKS.register_module()
class Witness(Hook):
    """Writes witness.json at the end of a training.

    - ``shapes``, ``losses``: of the batch of each iteration.
    - ``parameters``: how many there are; ``changed``: how many have other values than before.
    - ``frozen``, ``idle``, ``untouched``, ``broken``: names of those that are not trained, that
      have a rate of 0 whatever the schedule, that saw no gradient, and that saw one that is not
      finite.
    - ``schedulers``: of each the steps that it took, and those of the loop that it counts.
    - ``after``: the loss of the last batch, with the weights that the training left.
    - ``bfloat16``, ``bad_gradients``: under AMP that loss in bfloat16, and its gradients that are
      not finite.
    """

    priority = 'LOWEST'

    def __init__(self):
        self.shapes, self.losses, self.before, self.batch = [], [], {}, None

    def before_train(self, runner):
        self.before = {name: p.detach().clone() for name, p in runner.model.named_parameters()}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batch = data_batch
        if runner.iter >= runner.max_iters:
            raise RuntimeError('the epoch does not end: an InfiniteSampler in an epoch loop?')
        inputs = runner.model.data_preprocessor(dict(data_batch), training=True)['inputs']
        self.shapes.append(list(inputs.shape))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].item())

    def after_train(self, runner):
        model, optimizer = unwrap(runner.model), runner.optim_wrapper.optimizer
        parameters = dict(model.named_parameters())
        moments = {name: _moments(optimizer.state.get(p)) for name, p in parameters.items()}
        rated = {
            id(p)
            for group in optimizer.param_groups
            # the schedulers multiply the initial one, and a warm-up may begin with nearly nothing
            if group.get('initial_lr', group['lr']) > 0
            for p in group['params']
        }
        facts = dict(
            shapes=self.shapes,
            losses=self.losses,
            parameters=len(parameters),
            changed=sum(not torch.equal(p, self.before[name]) for name, p in parameters.items()),
            frozen=[name for name, p in parameters.items() if not p.requires_grad],
            idle=[name for name, p in parameters.items() if id(p) not in rated],
            untouched=[name for name, seen in moments.items() if not any(m.any() for m in seen)],
            broken=[name for name, seen in moments.items() if not all(map(_is_finite, seen))],
            schedulers=[
                # the counter has no public name, but the state that a checkpoint keeps has it
                (each.state_dict()['_global_step'], runner.epoch if each.by_epoch else runner.iter)
                for each in runner.param_schedulers or []
            ],
            **self._repeat(model, runner.cfg.optim_wrapper.type == 'AmpOptimWrapper'),
        )
        Path(runner.work_dir, 'witness.json').write_text(json.dumps(facts))

    def _repeat(self, model, is_amp):
        batch = model.train().data_preprocessor(self.batch, training=True)
        with torch.no_grad():
            facts = dict(after=_loss(model, batch).item())
        if is_amp:
            model.zero_grad()
            with torch.autocast('cpu', dtype=torch.bfloat16):
                loss = _loss(model, batch)
            loss.backward()
            gradients = {name: p.grad for name, p in model.named_parameters()}
            bad = [name for name, each in gradients.items() if not _is_finite(each)]
            facts.update(bfloat16=loss.item(), bad_gradients=bad)
        return facts


def _moments(state):
    """What an optimizer has gathered of a parameter's gradients: nothing, if it saw none."""
    moments = [state.get(key) for key in ('exp_avg', 'momentum_buffer')] if state else []
    return [moment for moment in moments if moment is not None]


def _is_finite(tensor):
    return tensor is None or bool(tensor.isfinite().all())


def _loss(model, batch):
    """The loss of a batch, with the same dropout each time."""
    torch.manual_seed(0)
    return model.parse_losses(model(**batch, mode='loss'))[0]
