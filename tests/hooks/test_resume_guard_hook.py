"""Every line of what a resumed run obeys is an experiment with a real Runner and a toy network."""

import copy
import re

import pytest
import torch
from conftest import name_run
from toy import edit, log_of, make_config, train

from mmseg_ext.engine.changes import Effect, classify, compare
from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner

TAKEN, UNUSED, IGNORED, MIXED = Effect.TAKEN, Effect.UNUSED, Effect.IGNORED, Effect.MIXED


def resume(folder, file, anyway=True, **changes):
    changes['guards'] = dict(resume_anyway=anyway)
    return train(make_config(folder, resume=True, load_from=str(file), **changes))


@pytest.fixture(scope='module')
def old(tmp_path_factory):
    """A run of three epochs: what was in force in the last one, and the checkpoint before it."""
    folder = tmp_path_factory.mktemp('old')
    _, seen = train(make_config(folder))
    return seen[2], folder / 'epoch_2.pth'


DECAYING = dict(type='ExponentialLR', gamma=0.9, by_epoch=False)
WITH_ONE_MORE = [*make_config('').param_scheduler, DECAYING]
COSINE = dict(type='CosineAnnealingLR', T_max=7, eta_min=0.001, begin=1, end=3, by_epoch=True)
WITH_ANOTHER = [make_config('').param_scheduler[0], COSINE]
CASES = [
    # optimizer: the groups come from the checkpoint
    ('optim_wrapper.optimizer.lr', 0.01, 'groups', IGNORED),
    ('optim_wrapper.optimizer.weight_decay', 0.1, 'groups', IGNORED),
    ('optim_wrapper.optimizer.betas', (0.8, 0.99), 'groups', IGNORED),
    ('optim_wrapper.optimizer.eps', 1e-3, 'groups', IGNORED),
    ('optim_wrapper.optimizer.amsgrad', True, 'groups', IGNORED),
    ('optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult', 10.0, 'groups', IGNORED),
    ('optim_wrapper.paramwise_cfg.custom_keys.head.decay_mult', 0.0, 'groups', IGNORED),
    ('optim_wrapper.constructor', 'ToyConstructor', 'groups', IGNORED),
    ('auto_scale_lr.enable', True, 'groups', IGNORED),
    # schedulers: all attributes come from the checkpoint
    ('param_scheduler.0.start_factor', 0.1, 'schedules', IGNORED),
    ('param_scheduler.0.end', 2, 'schedules', IGNORED),
    ('param_scheduler.1.begin', 2, 'schedules', IGNORED),
    ('param_scheduler.1.end', 9, 'schedules', IGNORED),
    ('param_scheduler.1.end', 9, 'groups', IGNORED),
    ('param_scheduler.1.power', 2.0, 'groups', IGNORED),
    ('param_scheduler.1.eta_min', 0.01, 'groups', IGNORED),
    ('param_scheduler.1.convert_to_iter_based', False, 'schedules', IGNORED),
    # but for the class and the number of them
    ('param_scheduler', WITH_ANOTHER, 'groups', MIXED),
    ('param_scheduler', WITH_ONE_MORE, 'groups', MIXED),
    ('param_scheduler', WITH_ONE_MORE[1:2], 'schedules', MIXED),
    ('model.init_cfg.val', 0.1, 'weights', UNUSED),
    # the rest is in force
    ('optim_wrapper.clip_grad', dict(max_norm=1.0), 'clip_grad', TAKEN),
    ('optim_wrapper.accumulative_counts', 2, 'accumulation', TAKEN),
    ('train_dataloader.batch_size', 8, 'inputs', TAKEN),
    ('train_dataloader.sampler.shuffle', False, 'inputs', TAKEN),
    ('train_dataloader.dataset.scale', 2.0, 'inputs', TAKEN),
    ('model.loss_weight', 3.0, 'model', TAKEN),
    ('model.data_preprocessor.non_blocking', True, 'model', TAKEN),
    ('train_cfg.max_epochs', 4, 'loop', TAKEN),
    ('train_cfg.val_interval', 2, 'loop', TAKEN),
    ('default_hooks.checkpoint.interval', 2, 'hooks', TAKEN),
    ('custom_hooks.0.size', 2, 'hooks', TAKEN),
    ('randomness.deterministic', True, 'randomness', TAKEN),
]


@pytest.mark.parametrize(
    'path, new, name, effect',
    CASES,
    ids=[f'{index}-{path}-{name}' for index, (path, _, name, _) in enumerate(CASES)],
)
def test_what_is_in_force_after_a_resume(old, tmp_path, path, new, name, effect):
    """The third epoch of the resumed run, against those of unbroken runs with old and new."""
    seen, file = old
    runner, unbroken = train(make_config(tmp_path / 'new', **{path: new}))
    _, resumed = resume(tmp_path / 'resumed', file, **{path: new})
    before, after, now = (run[name] for run in (seen, unbroken[2], resumed[2]))
    assert before != after, 'the experiment shows nothing'
    overruled = UNUSED if name == 'weights' else IGNORED
    assert (TAKEN if now == after else overruled if now == before else MIXED) is effect

    checkpoint = torch.load(file, weights_only=False)
    differences = compare(
        parse_config_text(checkpoint['meta']['cfg']), parse_config_text(runner.cfg.pretty_text)
    )
    assert {classify(difference, checkpoint) for difference in differences} == {effect}
    assert all(re.sub(r'\[(\d)\]', r'.\1', each.path).startswith(path) for each in differences)


def test_another_optimizer_works_on_the_state_of_the_old_one(old, tmp_path):
    """AdamW's groups hold no momentum, so SGD fails at its first step, not when it is resumed."""
    sgd = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)

    def change():
        return {'optim_wrapper.optimizer': dict(sgd, _delete_=True)}

    with pytest.raises(KeyError, match='momentum'):
        resume(tmp_path / 'sgd', old[1], **change())
    with pytest.raises(UsageError, match=r'half overruled.*optimizer\.type .AdamW. -> .SGD.'):
        resume(tmp_path / 'stopped', old[1], anyway=False, **change())


def test_what_would_be_ignored_stops_with_the_way_out(old, tmp_path):
    changes = {
        'optim_wrapper.optimizer.lr': 0.01,
        'param_scheduler.1.power': 1.0,
        'model.loss_weight': 2.0,
    }
    with pytest.raises(UsageError) as stopped:
        resume(tmp_path, old[1], anyway=False, **changes)
    said = str(stopped.value)
    assert 'ignored, because the state comes from the checkpoint: ' in said and '\n' not in said
    assert 'optim_wrapper.optimizer.lr 0.1 -> 0.01, param_scheduler[1].power 0.9 -> 1.0' in said
    assert 'loss_weight' not in said and not list(tmp_path.glob('*.pth'))
    assert f'fine-tune: load_from={old[1]}, without --resume' in said and '--resume-anyway' in said


def test_what_takes_effect_is_listed_and_stops_nothing(old, tmp_path):
    changes = {'model.loss_weight': 2.0, 'optim_wrapper.clip_grad': dict(max_norm=1.0)}
    resume(tmp_path, old[1], anyway=False, log_level='INFO', **changes)
    log = log_of(tmp_path)
    assert 'takes effect: model.loss_weight (not set) -> 2.0' in log
    assert 'takes effect: optim_wrapper.clip_grad.max_norm (not set) -> 1.0' in log


def test_an_unchanged_run_is_resumed_without_a_word(old, tmp_path):
    resume(tmp_path, old[1], anyway=False, log_level='INFO')
    log = log_of(tmp_path)
    assert 'resumed epoch: 2' in log
    assert 'changed settings' not in log and 'the learning rate stays' not in log


def test_defaults_that_one_config_spells_out_are_no_change(old, tmp_path):
    changes = {
        'optim_wrapper.optimizer.eps': 1e-8,
        'param_scheduler.1.verbose': False,
        'default_hooks.logger': dict(type='LoggerHook', interval=50),
    }
    resume(tmp_path, old[1], anyway=False, log_level='INFO', **changes)
    assert 'changed settings' not in log_of(tmp_path)


def test_a_state_that_was_not_saved_overrules_nothing(old, tmp_path):
    def drop(checkpoint):
        del checkpoint['optimizer'], checkpoint['param_schedulers']

    bare = edit(old[1], tmp_path / 'bare.pth', drop)
    change = {'optim_wrapper.optimizer.lr': 0.01, 'param_scheduler.1.power': 2.0}
    _, seen = resume(tmp_path / 'run', bare, **change)
    assert [group['initial_lr'] for group in seen[2]['groups'][0]] == [0.01] * 4
    said = 'resumed anyway: .*bare.pth holds no optimizer and no schedule state'
    assert re.search(said, log_of(tmp_path / 'run'))


@pytest.mark.parametrize(
    ('key', 'lacks'), [('optimizer', 'optimizer'), ('param_schedulers', 'schedule')]
)
def test_a_state_that_was_not_saved_stops_with_the_way_out(old, tmp_path, key, lacks):
    bare = edit(old[1], tmp_path / 'bare.pth', lambda checkpoint: checkpoint.pop(key))
    with pytest.raises(UsageError) as stopped:
        resume(tmp_path / 'run', bare, anyway=False)
    said = str(stopped.value)
    assert f'{bare} holds no {lacks} state' in said and '\n' not in said
    assert f'load_from={bare}' in said and f'a fresh {lacks}: --resume-anyway' in said


def test_a_run_without_schedules_misses_none(old, tmp_path):
    file = edit(old[1], tmp_path / 'a.pth', lambda checkpoint: checkpoint.pop('param_schedulers'))
    _, seen = resume(tmp_path / 'run', file, anyway=False, param_scheduler=[])
    assert sorted(seen) == [2]


@pytest.mark.parametrize('meta', [None, dict(epoch=2)])
def test_a_file_that_names_no_step_stops_even_anyway(old, tmp_path, meta):
    bare = edit(old[1], tmp_path / 'bare.pth', lambda checkpoint: checkpoint.update(meta=meta))
    with pytest.raises(UsageError, match=r'bare\.pth does not say at which .*fine-tune with load_'):
        resume(tmp_path / 'run', bare)


def test_another_initialisation_is_listed_and_stops_nothing(old, tmp_path):
    changes = {'model.init_cfg.val': 0.1, 'model.loss_weight': 2.0}
    resume(tmp_path, old[1], anyway=False, log_level='INFO', **changes)
    log = log_of(tmp_path)
    assert 'not used, because the weights come from the checkpoint: model.init_cfg.val' in log
    assert 'takes effect: model.loss_weight' in log


@pytest.mark.parametrize(
    ('old_scale', 'new_scale', 'counts'),
    [
        (dict(enable=False, base_batch_size=16), dict(enable=False, base_batch_size=8), False),
        (None, dict(base_batch_size=8), False),
        (dict(enable=True, base_batch_size=16), dict(enable=True, base_batch_size=8), True),
        (dict(enable=True, base_batch_size=16), None, True),
        (dict(enable=False, base_batch_size=16), dict(enable=True, base_batch_size=16), True),
    ],
)
def test_the_scaling_of_rates_counts_where_it_is_enabled(old_scale, new_scale, counts):
    found = compare(dict(auto_scale_lr=old_scale), dict(auto_scale_lr=new_scale))
    assert bool(found) is counts


def test_other_parameter_groups_stop_even_anyway(old, tmp_path):
    with pytest.raises(UsageError, match=r'has 1 parameter groups, in .*epoch_2.pth it has 4'):
        resume(tmp_path, old[1], **{'optim_wrapper.paramwise_cfg': None})


def test_another_number_of_processes_takes_effect(old, tmp_path):
    def set_processes(checkpoint):
        checkpoint['meta']['provenance'] = dict(world_size=4)

    file = edit(old[1], tmp_path / 'four.pth', set_processes)
    resume(tmp_path / 'run', file, anyway=False, log_level='INFO')
    assert 'takes effect: number of processes 4 -> 1' in log_of(tmp_path / 'run')


def test_a_config_that_would_run_a_program(old, tmp_path):
    def poison(checkpoint):
        checkpoint['meta']['cfg'] = f'open({str(tmp_path / "owned")!r}, "w")\n'

    file = edit(old[1], tmp_path / 'poisoned.pth', poison)
    with pytest.raises(UsageError, match=r'config holds open\(.*which is no plain setting'):
        resume(tmp_path / 'run', file, anyway=False)
    resume(tmp_path / 'anyway', file)
    assert not (tmp_path / 'owned').exists()


# the schedule ends at epoch 3
LONGER = {'train_cfg.max_epochs': 6}


@pytest.fixture
def ended(tmp_path):
    """Makes a finished run whose rate ends at ``eta_min``, of a base rate of 0.1."""

    def make(eta_min):
        train(make_config(tmp_path / 'ended', **{'param_scheduler.1.eta_min': eta_min}))
        return tmp_path / 'ended/epoch_3.pth'

    return make


@pytest.mark.parametrize('eta_min', [0.0, 0.0009])
def test_more_epochs_over_a_schedule_that_has_ended(ended, tmp_path, eta_min):
    file = ended(eta_min)
    changes = {'param_scheduler.1.eta_min': eta_min, **LONGER}
    with pytest.raises(UsageError) as stopped:
        resume(tmp_path / 'stopped', file, anyway=False, **changes)
    said = f'the learning rate stays at {eta_min:.3g} for epochs 4 to 6, because the schedule'
    assert said in str(stopped.value) and 'ended at epoch 3' in str(stopped.value)
    _, seen = resume(tmp_path / 'anyway', file, **changes)
    rates = [group['lr'] for epoch in seen.values() for step in epoch['groups'] for group in step]
    assert sorted(seen) == [3, 4, 5] and rates == pytest.approx([eta_min] * len(rates))


def test_more_epochs_at_a_rate_that_still_trains(ended, tmp_path):
    """0.001 of 0.1, the share at which MMSegmentation's own schedules end."""
    resume(tmp_path / 'run', ended(0.001), anyway=False, log_level='INFO', **LONGER)
    assert 'stays at 0.001 for epochs 4 to 6' in log_of(tmp_path / 'run')


def test_a_schedule_that_is_still_running_is_followed_to_its_end(old, tmp_path):
    """At epoch 2 the rate is far from its end, which the simulation has to find."""
    _, file = old
    _, seen = resume(tmp_path / 'run', file, anyway=False, log_level='INFO', **LONGER)
    assert seen[5]['groups'][-1][0]['lr'] == 0.001
    assert 'stays at 0.001 for epochs 4 to 6' in log_of(tmp_path / 'run')


def test_longer_epochs_under_a_schedule_of_iterations(tmp_path):
    """Twice the steps an epoch: 12 iterations of schedule now are 1.5 epochs of 3."""
    config = {'param_scheduler.1.eta_min': 0.0}
    train(make_config(tmp_path / 'old', **config))
    changes = {**config, 'train_dataloader.batch_size': 2}
    with pytest.raises(UsageError, match='stays at 0 for epochs 3 to 3, .* ended at epoch 2;'):
        resume(tmp_path / 'run', tmp_path / 'old/epoch_1.pth', anyway=False, **changes)


def test_shorter_epochs_under_a_schedule_of_iterations(old, tmp_path):
    changes = {'train_dataloader.batch_size': 16}
    resume(tmp_path / 'run', old[1], anyway=False, **changes)
    assert 'ends at epoch 12, the run at 3: the learning rate will not' in log_of(tmp_path / 'run')


def test_more_iterations_over_a_schedule_that_has_ended(tmp_path):
    def config(max_iters):
        loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)
        return {
            'train_cfg': loop,
            'train_dataloader.sampler.type': 'InfiniteSampler',
            'default_hooks.checkpoint': dict(type='CheckpointHook', interval=8, by_epoch=False),
            'param_scheduler': [dict(type='PolyLR', begin=0, end=8, by_epoch=False)],
        }

    train(make_config(tmp_path / 'old', **config(8)))
    with pytest.raises(UsageError, match='stays at 0 for iterations 9 to 12'):
        resume(tmp_path / 'run', tmp_path / 'old/iter_8.pth', anyway=False, **config(12))


@pytest.mark.parametrize('old_scale', ['dynamic', dict(init_scale=1024.0)])
@pytest.mark.parametrize('new_scale, effect', [(dict(init_scale=64.0), IGNORED), (128.0, TAKEN)])
def test_the_scale_of_mixed_precision(old_scale, new_scale, effect):
    """The scaler alone, as AmpOptimWrapper builds, restores and steps it: it needs a GPU itself."""

    def make(scale):
        if scale == 'dynamic':
            return torch.amp.GradScaler('cpu'), None
        if isinstance(scale, dict):
            return torch.amp.GradScaler('cpu', **scale), None
        return torch.amp.GradScaler('cpu', init_scale=scale), scale

    def step(scaler, update):
        weight = torch.ones(1, requires_grad=True)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        scaler.scale(weight.sum()).backward()
        scaler.step(optimizer)
        scaler.update(update)
        return scaler.get_scale()

    before, after = make(old_scale), make(new_scale)
    old_value, new_value = step(*before), step(*make(new_scale))
    after[0].load_state_dict(before[0].state_dict())
    found = step(*after)
    assert old_value != new_value
    assert (TAKEN if found == new_value else IGNORED if found == old_value else MIXED) is effect
    wrapper = dict(type='AmpOptimWrapper')
    differences = compare(
        dict(optim_wrapper=dict(wrapper, loss_scale=old_scale)),
        dict(optim_wrapper=dict(wrapper, loss_scale=new_scale)),
    )
    checkpoint = dict(optimizer=dict(loss_scaler=before[0].state_dict()))
    assert [classify(each, checkpoint) for each in differences] == [effect]


def test_in_force_under_our_runner(tiny, tmp_path):
    """On by default, and without a word about a config that is resumed as it is."""
    tiny.work_dir = str(tmp_path)
    tiny.merge_from_dict(
        {
            'train_dataloader.dataset.indices': 16,
            'val_dataloader.dataset.indices': 2,
            'default_hooks.val_sheet': None,
            'default_hooks.curves': None,
            'train_cfg.max_epochs': 2,
            'param_scheduler.1.end': 4,
        }
    )

    def run(**changes):
        cfg = copy.deepcopy(tiny)
        cfg.merge_from_dict(changes)
        name_run(cfg)
        Runner.from_cfg(cfg).train()

    run()
    (tmp_path / 'epoch_2.pth').unlink()
    with pytest.raises(UsageError, match=r'optimizer\.lr 0\.0006 -> 6e-05; .*load_from=.*epoch_1'):
        run(**{'resume': True, 'optim_wrapper.optimizer.lr': 6e-5})
    run(resume=True)
    assert 'resumed epoch: 1' in log_of(tmp_path) and 'changed settings' in log_of(tmp_path)
    assert log_of(tmp_path).count('changed settings') == 1, 'that of the run that was stopped'
