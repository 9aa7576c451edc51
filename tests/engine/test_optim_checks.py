import copy
import itertools

import pytest
import toy
from mmengine.dataset import InfiniteSampler
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch.utils.data import DataLoader

from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.optim_checks import check_schedule, silent_settings, unfinished
from mmseg_ext.engine.preflight import check
from mmseg_ext.engine.runner import Runner


def wrapper_config(custom_keys, **paramwise):
    return dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.01),
        paramwise_cfg=dict(custom_keys=custom_keys, **paramwise),
    )


def said(config):
    network = toy.ToyNetwork()
    wrapper = build_optim_wrapper(network, copy.deepcopy(config))
    return list(silent_settings(network, config, wrapper.optimizer))


def rates(custom_keys):
    network = toy.ToyNetwork()
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = build_optim_wrapper(network, wrapper_config(custom_keys)).optimizer.param_groups
    return {names[id(group['params'][0])]: group['lr'] for group in groups}


def test_a_key_is_named_exactly_where_mmengine_does_without_it():
    keys = ('pos_block', 'head', 'body', 'bias', 'body.weight', 'weight', 'od')
    for chosen in itertools.combinations(keys, 3):
        custom = {key: dict(lr_mult=2.0 + number) for number, key in enumerate(chosen)}
        whole = rates(custom)
        idle = {
            key
            for key in chosen
            if rates({each: custom[each] for each in chosen if each != key}) == whole
        }
        lines = said(wrapper_config(custom))
        named = {key for key in chosen for line in lines if f'custom_keys.{key} has' in line}
        assert named == idle and len(lines) == len(idle), chosen


def test_what_a_line_says():
    (line,) = said(wrapper_config(dict(haed=dict(lr_mult=10.0))))
    assert line == (
        'optim_wrapper.paramwise_cfg.custom_keys.haed has no effect: no parameter that is trained '
        'has it in its name; the nearest there are: head'
    )
    (line,) = said(wrapper_config({'od': dict(lr_mult=3.0), 'body': dict(lr_mult=2.0)}))
    assert line.endswith('each of its 2 parameters goes to body, which MMEngine tries before it')
    (line,) = said(wrapper_config(dict(head=dict(lr_mul=10.0))))
    assert 'custom_keys.head.lr_mul has no effect' in line and 'lr_mult' in line
    (line,) = said(wrapper_config({}, norm_decay_mul=0.0))
    assert 'paramwise_cfg.norm_decay_mul has no effect' in line and 'norm_decay_mult' in line


@pytest.mark.parametrize(
    'config',
    [
        wrapper_config(dict(head=dict(lr_mult=10.0, betas=(0.8, 0.9))), norm_decay_mult=0.0),
        # loses everywhere, to one that says the same
        wrapper_config({'od': dict(lr_mult=2.0), 'body': dict(lr_mult=2.0)}),
        dict(wrapper_config(dict(nothing={})), constructor='ToyConstructor'),
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    ],
)
def test_settings_with_an_effect_are_passed_over(config):
    assert said(config) == []


def test_frozen_parameters_are_not_trained():
    network = toy.ToyNetwork().requires_grad_(False)
    network.head.requires_grad_(True)
    config = wrapper_config(dict(body=dict(lr_mult=2.0)))
    optimizer = build_optim_wrapper(network, copy.deepcopy(config)).optimizer
    (line,) = silent_settings(network, config, optimizer)
    assert 'custom_keys.body has no effect' in line


def iter_config(tmp_path, *schedulers):
    return toy.make_config(
        tmp_path,
        **{
            'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=4),
            'train_dataloader.sampler.type': 'InfiniteSampler',
            'default_hooks.checkpoint.interval': -1,
            'param_scheduler': list(schedulers),
        },
    )


def test_a_schedule_of_epochs_stands_still_in_a_loop_of_iterations(tmp_path):
    warm_up = dict(type='LinearLR', start_factor=0.001, begin=0, end=2)
    cfg = iter_config(tmp_path, dict(warm_up, by_epoch=False, end=4), warm_up)
    _, seen = toy.train(iter_config(tmp_path, warm_up))
    steps = [groups[0]['lr'] for epoch in seen.values() for groups in epoch['groups']]
    assert steps == [pytest.approx(1e-4)] * 4, 'MMEngine steps it after the last iteration alone'
    with pytest.raises(UsageError, match=r'param_scheduler\[1\] \(LinearLR\) counts epochs'):
        check_schedule(cfg)
    cfg.param_scheduler = warm_up
    with pytest.raises(UsageError, match=r'param_scheduler \(.* set by_epoch=False'):
        check_schedule(cfg)


def test_schedules_that_are_stepped_pass(tmp_path):
    converted = dict(type='PolyLR', end=3, by_epoch=True, convert_to_iter_based=True)
    plateau = dict(type='ReduceOnPlateauLR', monitor='mIoU')
    check_schedule(iter_config(tmp_path, dict(type='PolyLR', by_epoch=False), converted, plateau))
    check_schedule(toy.make_config(tmp_path, param_scheduler=[dict(type='PolyLR', end=3)]))
    check_schedule(toy.make_config(tmp_path, train_cfg=None))


def test_schedules_of_several_optimizers(tmp_path):
    cfg = iter_config(tmp_path)
    cfg.param_scheduler = dict(g=[dict(type='PolyLR', by_epoch=False)], d=[])
    check_schedule(cfg)
    cfg.param_scheduler.d = [dict(type='PolyLR', end=3)]
    with pytest.raises(UsageError, match=r'param_scheduler\.d\[0\] \(PolyLR\) counts epochs'):
        check_schedule(cfg)


@pytest.mark.parametrize(
    ('loop', 'refused'),
    [
        (dict(type='BudgetLoop', max_iters=4), False),  # another package's
        (dict(type='BudgetLoop', max_epochs=4), True),
        (dict(type='mmengine.EpochBasedTrainLoop', max_epochs=4), True),
        (dict(by_epoch=True, max_epochs=4), True),
    ],
)
def test_which_loops_need_an_end_of_the_epoch(tmp_path, loop, refused):
    cfg = iter_config(tmp_path, dict(type='PolyLR', by_epoch=False))
    cfg.train_cfg = loop
    if not refused:
        check_schedule(cfg)
        return
    with pytest.raises(UsageError, match='never ends the first epoch of'):
        check_schedule(cfg)


def test_an_epoch_of_an_endless_sampler_is_refused(tiny):
    data = range(6)
    loader = DataLoader(data, 2, sampler=InfiniteSampler(data))
    batches = list(itertools.islice(loader, 10 * len(loader)))
    assert len(batches) == 10 * len(loader), 'it goes on after its length'

    tiny.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    complete_config(tiny)
    with pytest.raises(UsageError, match=r'train_dataloader\.sampler\.type=InfiniteSampler never'):
        check(tiny)


def test_only_what_ends_far_beyond_the_training_is_named():
    wrapper = build_optim_wrapper(toy.ToyNetwork(), wrapper_config({}))

    def lines(**settings):
        cfg = dict(type='PolyLR', optimizer=wrapper, begin=0, **settings)
        return unfinished([PARAM_SCHEDULERS.build(cfg)], 200, 117600)

    assert lines(end=201) == lines(end=200) == lines(end=300) == lines() == []
    assert lines(end=117600, by_epoch=False) == []
    (line,) = lines(end=20000)
    assert line == (
        'param_scheduler[0] (PolyLR) ends after 20,000 epochs, the training after 200: its value '
        'will not get there; check end and by_epoch'
    )
    (line,) = lines(end=320000, by_epoch=False)
    assert '320,000 iterations, the training after 117,600' in line


def test_a_training_begins_with_the_lines(tiny, tmp_path):
    tiny.work_dir = str(tmp_path)
    tiny.merge_from_dict(
        {
            'train_cfg.max_epochs': 1,
            'train_dataloader.dataset.indices': 8,
            'val_dataloader.dataset.indices': 2,
            'optim_wrapper.paramwise_cfg': dict(custom_keys=dict(pos_block=dict(decay_mult=0.0))),
            'param_scheduler.1.end': 24000,
            'param_scheduler.1.convert_to_iter_based': False,
        }
    )
    Runner.from_cfg(tiny).train()
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert text.count('custom_keys.pos_block has no effect') == 1
    assert text.count('ends after 24,000 epochs, the training after 1') == 1
