"""The options are tried on real trainings of a toy network, whose every step tells its rate."""

import argparse
import copy
import subprocess

import pytest
import torch
import toy
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.model import MomentumAnnealingEMA
from torch.utils.data import DataLoader

from mmseg_ext.engine.cli import KeyValues
from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.recipe import rates as recipe_rates
from mmseg_ext.engine.recipe.options import apply_options, keep_recipe
from mmseg_ext.engine.recipe.rates import compare_rates, find_rates, scaled_rate
from mmseg_ext.engine.recipe.reading import count_images, read_recipe, read_setup
from mmseg_ext.engine.recipe.report import describe_command, list_notes
from mmseg_ext.engine.recipe.rules import Setup

LR = 'optim_wrapper.optimizer.lr'
BY_ITER = dict(by_epoch=False)
WARM_UP = dict(type='LinearLR', start_factor=0.1, begin=0, end=4, by_epoch=False)
LOOP = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=12, val_interval=6)
CONVERTED = dict(by_epoch=True, convert_to_iter_based=True)

# what the loop counts, the schedulers, and whether each step's rate stays to the last digit
CASES = {
    'poly': (
        LOOP,
        [WARM_UP, dict(type='PolyLR', power=0.9, eta_min=0.0, begin=4, end=12, **BY_ITER)],
        False,
    ),
    'cosine': (LOOP, [dict(type='CosineAnnealingLR', T_max=12, eta_min=0.001, **BY_ITER)], False),
    'exponential': (LOOP, [dict(type='ExponentialLR', gamma=0.7, **BY_ITER)], False),
    'one cycle': (
        LOOP,
        [dict(type='OneCycleLR', eta_max=0.2, total_steps=12, **BY_ITER)],
        False,
    ),
    'in steps': (
        LOOP,
        [
            dict(type='MultiStepLR', milestones=[3, 9], **BY_ITER),
            dict(type='StepLR', step_size=5, **BY_ITER),
        ],
        True,
    ),
    'epochs': (None, [dict(type='PolyLR', begin=1, end=3, by_epoch=True)], True),
    'epochs, warm-up by iteration': (
        None,
        [WARM_UP, dict(type='PolyLR', begin=2, end=3, **CONVERTED)],
        False,
    ),
}


def written(case, work_dir='', **changes):
    loop, schedulers, _ = CASES[case]
    changes = {
        'train_dataloader.batch_size': 8,
        'param_scheduler': copy.deepcopy(schedulers),
        'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult': 10.0,
        'default_hooks.checkpoint': dict(type='CheckpointHook', interval=6, by_epoch=not loop),
        **changes,
    }
    if loop:
        changes['train_cfg'] = dict(loop)  # merging takes _delete_ out
        changes['train_dataloader.sampler.type'] = 'InfiniteSampler'
    return toy.make_config(work_dir, **changes)


def rates_of_steps(cfg, work_dir):
    """Trains; the learning rates of the groups at each step that the optimizer takes."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.experiment_name = str(work_dir), f'toy{next(toy.NAMES)}'
    cfg.custom_hooks = []
    runner, rates = toy.Runner.from_cfg(cfg), []
    build = runner.build_optim_wrapper

    def build_and_listen(given):
        wrapper = build(given)
        wrapper.optimizer.register_step_pre_hook(
            lambda optimizer, *_: rates.append([group['lr'] for group in optimizer.param_groups])
        )
        return wrapper

    runner.build_optim_wrapper = build_and_listen
    runner.train()
    return rates


@pytest.mark.parametrize('case', CASES)
def test_every_step_keeps_its_rate(case, tmp_path):
    """It lies between those that this step and the next had, since the schedule moves on inside."""
    cfg = written(case)
    old = read_recipe(cfg, Setup(1, 8), images=16)
    here = Setup(1, 2, 4)
    new = apply_options(cfg, keep_recipe(old, here))
    assert new.train_dataloader.batch_size * new.optim_wrapper.accumulative_counts == 8

    before, now = (
        rates_of_steps(each, tmp_path / name) for name, each in dict(before=cfg, now=new).items()
    )
    recipe = read_recipe(new, here, images=16)
    assert len(before) == len(now) == old.steps == recipe.steps
    assert old.samples == recipe.samples == 8 * len(before)
    exact = CASES[case][2]
    beyond = [2 * last - one for one, last in zip(*before[-2:], strict=True)]
    for rates, at, after in zip(now, before, [*before[1:], beyond], strict=True):
        for rate, *bounds in zip(rates, at, at if exact else after, strict=True):
            assert min(bounds) * (1 - 1e-6) <= rate <= max(bounds) * (1 + 1e-6) + 1e-12

    # the table's rates are those of the training
    highest, last = find_rates(old, scaled_rate(cfg, old.setup))[1.0]
    assert highest == pytest.approx(max(rates[0] for rates in before))
    assert last == pytest.approx(before[-1][0], abs=1e-12)
    assert find_rates(old, 0.1)[10.0][0] == pytest.approx(max(rates[-1] for rates in before))


def test_the_rates_here_are_those_of_the_training_here(tmp_path):
    """An epoch of 5 iterations rounds up to 6, a warm-up of 10 stretches to 11 and not to 12."""
    cfg = written('epochs, warm-up by iteration', **{'train_dataloader.dataset.size': 40})
    cfg.param_scheduler[0].end, cfg.param_scheduler[1].begin = 10, 1
    old, here = read_recipe(cfg, Setup(1, 8), images=40), Setup(1, 7)
    options = keep_recipe(old, here)
    assert options['param_scheduler.0.end'] == 11
    new = read_recipe(apply_options(cfg, options), here, images=40)
    trained = [
        rates_of_steps(each, tmp_path / name) for name, each in dict(a=cfg, b=new.cfg).items()
    ]
    both = compare_rates(old, new)
    assert both[0] != both[1]
    for found, steps in zip(both, trained, strict=True):
        first = [rates[0] for rates in steps]
        assert found[1.0] == (pytest.approx(max(first)), pytest.approx(first[-1], abs=1e-12))


def test_a_long_multiple_is_not_stepped_again(monkeypatch):
    old = read_recipe(written('poly'), Setup(3, 8), images=48)
    here = Setup(1, 8, 3)
    new = read_recipe(apply_options(old.cfg, keep_recipe(old, here)), here, images=48)
    both = compare_rates(old, new)
    stepped = []
    monkeypatch.setattr(
        recipe_rates,
        'find_rates',
        lambda recipe, base: stepped.append(recipe) or find_rates(recipe, base),
    )
    monkeypatch.setattr(recipe_rates, 'LONG', 30)
    before, now = compare_rates(old, new)
    assert stepped == [old] and before == now
    for mult, rates in both[1].items():
        assert now[mult] == pytest.approx(rates)


@pytest.mark.parametrize('case', ['cosine', 'one cycle'])
@pytest.mark.parametrize('optimizer', ['SGD', 'AdamW'])
def test_the_whole_schedule_follows_the_batch(case, optimizer):
    """Its own rates, a floor or a peak, are in proportion to the base rate."""
    cfg = written(case, **{'optim_wrapper.optimizer.type': optimizer})
    old, here = read_recipe(cfg, Setup(1, 8), images=16), Setup(1, 8, 4)
    new = read_recipe(apply_options(cfg, keep_recipe(old, here)), here, images=16)
    again = read_recipe(new.cfg, Setup(1, 8), images=16)  # of as many iterations
    factor, rates = 4 if optimizer == 'SGD' else 2, find_rates(old, 0.1)[1.0]
    for before, now in zip(rates, find_rates(again, 0.1 * factor)[1.0], strict=True):
        assert now == pytest.approx(factor * before, rel=1e-4)


def test_a_momentum_schedule_has_no_rate_to_follow():
    cfg = written('poly', param_scheduler=[dict(type='CosineAnnealingMomentum', eta_min=0.5)])
    options = keep_recipe(read_recipe(cfg, Setup(1, 8), images=16), Setup(1, 8, 4))
    assert not [key for key in options if 'eta_min' in key]


def test_an_annealed_average_forgets_as_fast():
    """At the same image, however many iterations that took."""
    ema = dict(type='EMAHook', ema_type='mmengine.MomentumAnnealingEMA', momentum=1e-9)
    cfg = written('epochs', custom_hooks=[ema, dict(ema, gamma=30)])
    new = apply_options(cfg, keep_recipe(read_recipe(cfg, Setup(1, 8), images=16), Setup(1, 2, 4)))
    for before, now in zip(cfg.custom_hooks, new.custom_hooks, strict=True):
        network = toy.ToyNetwork()
        averaged = [
            MomentumAnnealingEMA(
                network, each.momentum, interval=each.get('interval', 1), **gamma_of(each)
            )
            for each in (before, now)
        ]
        with torch.no_grad():
            for weight in (1.0, 3.0, -2.0):
                network.head.weight.fill_(weight)
                averaged[0].update_parameters(network)
                for _ in range(4):
                    averaged[1].update_parameters(network)
        assert averaged[0].module.head.weight.tolist() != [[1.0, 1.0]]
        torch.testing.assert_close(averaged[1].module.head.weight, averaged[0].module.head.weight)


def gamma_of(hook):
    return {key: hook[key] for key in ('gamma',) if key in hook}


def test_all_that_an_iteration_loop_counts(tmp_path):
    cfg = written(
        'poly',
        custom_hooks=[dict(type='ToyHook'), dict(type='EMAHook', begin_iter=2)],
        **{'train_cfg.val_begin': 2},
    )
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=12, val_begin=2)
    options = keep_recipe(read_recipe(cfg, Setup(3, 8), images=16), Setup(1, 8, 3))
    assert options == {
        'optim_wrapper.accumulative_counts': 3,
        'train_cfg.max_iters': 36,
        'train_cfg.val_interval': 3000,  # MMEngine's own default, stretched
        'train_cfg.val_begin': 6,
        'default_hooks.checkpoint.interval': 18,
        'param_scheduler.0.end': 12,
        'param_scheduler.1.begin': 12,
        'param_scheduler.1.end': 36,
        'custom_hooks.1.interval': 3,
        'custom_hooks.1.begin_iter': 6,
    }


def test_an_epoch_loop_needs_the_accumulation_alone():
    cfg = written('epochs')
    options = keep_recipe(read_recipe(cfg, Setup(3, 8), images=48), Setup(1, 8, 3))
    assert options == {'optim_wrapper.accumulative_counts': 3}
    assert keep_recipe(read_recipe(cfg, Setup(3, 8), images=48), Setup(3, 8)) == {}


def test_what_accumulates_already_is_not_stretched_twice():
    cfg = written('poly', **{'optim_wrapper.accumulative_counts': 2})
    options = keep_recipe(read_recipe(cfg, Setup(2, 8, 2), images=16), Setup(1, 8, 4))
    assert options['optim_wrapper.accumulative_counts'] == 4
    assert options['train_cfg.max_iters'] == 24


@pytest.mark.parametrize(('optimizer', 'factor'), [('SGD', 20 / 18), ('AdamW', (20 / 18) ** 0.5)])
def test_where_the_batch_changes_the_rate_follows_and_the_samples_stay(optimizer, factor):
    cfg = written('poly', **{'optim_wrapper.optimizer.type': optimizer})
    old = read_recipe(cfg, Setup(3, 6), images=1000)
    new = Setup(4, 5)
    options = keep_recipe(old, new)
    assert options[LR] == pytest.approx(0.1 * factor, rel=1e-5)
    assert options['train_cfg.max_iters'] == 11  # 12 x 18 / 20
    recipe = read_recipe(apply_options(cfg, options), new, images=1000)
    assert 'a batch of 18 cannot' in list_notes(old, recipe)[0]


@pytest.mark.parametrize(
    ('norm', 'here', 'statistics'),
    [
        ('SyncBN', Setup(2, 8), None),
        ('SyncBN', Setup(1, 8, 2), 'over 8 images instead of 16: accumulation adds'),
        ('BN', Setup(2, 8), 'over 8 images instead of 16'),
        ('BN', Setup(1, 16), None),
        ('LN', Setup(1, 4, 4), None),
    ],
)
def test_what_batch_norm_sees_is_said(norm, here, statistics):
    """Of SyncBN the images of all GPUs, of BN those of one."""
    cfg = written('epochs', **{'model.norm_cfg': dict(type=norm)})
    old = read_recipe(cfg, Setup(1, 16), images=48)
    new = read_recipe(apply_options(cfg, keep_recipe(old, here)), here, images=48)
    found = [note for note in list_notes(old, new) if 'BatchNorm' in note]
    assert len(found) == (statistics is not None) and all(statistics in note for note in found)


def test_mmengines_own_scaling_is_replaced_by_its_result():
    """It knows no accumulation: on a third of the GPUs it would divide the rate by 3."""
    cfg = written('epochs', auto_scale_lr=dict(enable=True, base_batch_size=12))
    options = keep_recipe(read_recipe(cfg, Setup(3, 8), images=48), Setup(1, 8, 3))
    assert options['auto_scale_lr.enable'] is False and options[LR] == pytest.approx(0.2)


def test_epochs_of_an_endless_sampler_are_refused():
    cfg = written('poly', param_scheduler=[dict(type='PolyLR', end=3, **CONVERTED)])
    with pytest.raises(UsageError, match=r'param_scheduler\.0 counts epochs of an InfiniteSampler'):
        keep_recipe(read_recipe(cfg, Setup(2, 8), images=16), Setup(1, 8, 2))


@pytest.mark.parametrize('drop', [False, True])
def test_epochs_are_as_long_as_the_loader(drop, monkeypatch):
    for images, gpus, batch in [(100, 3, 6), (10, 4, 2), (16, 1, 16), (37, 2, 5)]:
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda gpus=gpus: (0, gpus))
        sampler = DefaultSampler(range(images))
        loader = DataLoader(range(images), batch, sampler=sampler, drop_last=drop)
        cfg = written('epochs', **{'train_dataloader.drop_last': drop})
        recipe = read_recipe(cfg, Setup(gpus, batch), images)
        assert recipe.epoch_length == len(loader)
        assert recipe.samples == 3 * gpus * sum(len(part) for part in loader)


def test_the_command_says_exactly_the_options():
    options = {
        'train_cfg.dynamic_intervals': [[3, 4], [5, 6]],
        'param_scheduler.0.milestones': [3, 9],
        'auto_scale_lr.enable': False,
        LR: 6.36396e-05,
        'default_hooks.checkpoint.out_dir': 'a$HOME',
    }
    assert "'work_dir=my runs'" in describe_command('a.py', 1, dict(work_dir='my runs'))
    command = describe_command('a leaf.py', 2, options)
    printed = subprocess.check_output(['bash', '-c', f"printf '%s\\n' {command}"], text=True)
    words = printed.splitlines()
    assert words[:4] == ['tools/dist_train.sh', 'a leaf.py', '2', '--cfg-options']
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues)
    assert parser.parse_args(words[3:]).cfg_options == options
    assert describe_command('a.py', 1, {}) == 'python tools/train.py a.py'


@pytest.fixture
def leaf(tiny_config, tmp_path):
    """The tiny leaf over real pieces, under a name that says its GPUs."""
    file = tmp_path / 'tiny_3xb8-2e_voc.py'
    file.write_text(f"_base_ = '{tiny_config}'\n")
    return file


def test_a_hook_that_is_switched_off_saves_nothing():
    recipe = read_recipe(written('epochs'), Setup(1, 8), images=16)
    assert recipe.save_interval == (6, True)
    recipe.cfg.default_hooks.checkpoint = None
    completed = copy.deepcopy(recipe.cfg)
    complete_config(completed)
    assert completed.default_hooks.checkpoint is None
    assert recipe.save_interval[0] <= 0
    recipe.cfg.default_hooks.pop('checkpoint')
    completed = copy.deepcopy(recipe.cfg)
    complete_config(completed)
    assert recipe.save_interval == (completed.default_hooks.checkpoint.interval, True)


def test_images_are_counted_with_their_wrappers(leaf):
    cfg = load_config(str(leaf))
    assert count_images(cfg) == 40
    one = cfg.train_dataloader.dataset.to_dict()
    twice = dict(type='RepeatDataset', times=2, dataset=dict(one, indices=7))
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[one, twice])
    assert count_images(Config(cfg.to_dict(), filename=cfg.filename)) == 54


def test_the_setup_is_in_the_name(leaf):
    assert read_setup(load_config(str(leaf))) == (Setup(3, 8), None)
    assert read_setup(load_config(str(leaf)), gpus=5)[0] == Setup(5, 8)
    changed = load_config(str(leaf), {'train_dataloader.batch_size': 4})
    setup, note = read_setup(changed)
    assert setup == Setup(3, 4) and 'b8' in note and 'batch_size=4' in note


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_dataloader': None}, 'has no train_dataloader: it trains nothing'),
        ({'train_cfg': None}, 'has no train_cfg'),
        ({'train_dataloader.batch_size': 0}, 'batch_size=0 is no batch'),
        ({'optim_wrapper': None}, r'has no optim_wrapper\.optimizer'),
        ({'optim_wrapper.accumulative_counts': 0}, 'accumulative_counts=0 is no whole number'),
    ],
)
def test_configs_that_train_nothing(leaf, options, message):
    with pytest.raises(UsageError, match=message):
        read_setup(load_config(str(leaf), options))


def test_what_is_missing_has_a_way_out(leaf, tiny_config):
    with pytest.raises(UsageError, match='--of-gpus'):
        read_setup(load_config(str(tiny_config)))
    with pytest.raises(UsageError, match=r'there is no nowhere; .* with --images'):
        count_images(load_config(str(leaf), {'train_dataloader.dataset.data_root': 'nowhere'}))
    cfg = written('epochs')
    with pytest.raises(UsageError, match='fill no batch of 8 a GPU; take fewer GPUs'):
        read_recipe(cfg, Setup(3, 8), images=20)
    cfg.train_cfg.max_epochs = 2.5
    with pytest.raises(UsageError, match=r'max_epochs=2\.5 is no whole number above 0'):
        read_recipe(cfg, Setup(3, 8), images=48)
    cfg.train_cfg.pop('max_epochs')
    with pytest.raises(UsageError, match=r'train_cfg\.max_epochs is not set'):
        read_recipe(cfg, Setup(3, 8), images=48)
