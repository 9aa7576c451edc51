import copy
import json
from types import SimpleNamespace

import pytest
import torch
from conftest import name_run
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner as MMEngineRunner
from toy import edit, log_of, make_config, train

from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.peak_rates import peak_rates, recorded_peak_rates
from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks.fine_tune_guard_hook import FineTuneGuardHook, recorded_score, score_of

HEAD_MULT = 'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult'
LR = 'optim_wrapper.optimizer.lr'


def fine_tune(folder, file, strict=False, **changes):
    """Starts from a checkpoint; returns the log's lines about a peak."""
    cfg = make_config(folder, load_from=str(file), guards=dict(strict=strict), **changes)
    train(cfg)
    return [line for line in log_of(folder).splitlines() if 'peak' in line]


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A checkpoint trained at a peak of 0.1: warm-up, then decay."""
    folder = tmp_path_factory.mktemp('saved')
    train(make_config(folder))
    return folder / 'epoch_3.pth'


def test_ten_times_the_rate_warns_and_stops_under_strict(saved, tmp_path):
    (line,) = fine_tune(tmp_path / 'warned', saved, **{LR: 1.0})
    assert f'body, head: peak 1, 10 times the 0.1 that trained {saved}; ' in line
    with pytest.raises(UsageError, match=r'^body, head: peak 1, 10 times the 0\.1 that trained'):
        fine_tune(tmp_path / 'strict', saved, strict=True, **{LR: 1.0})


def test_a_tenth_of_the_rate_with_a_warm_up_from_nearly_zero_is_silent(saved, tmp_path):
    warm_up = dict(type='LinearLR', start_factor=1e-7, begin=0, end=4, by_epoch=False)
    decay = dict(type='PolyLR', power=1.0, eta_min=0.0, begin=4, end=12, by_epoch=False)
    changes = {LR: 0.01, 'param_scheduler': [warm_up, decay]}
    assert not fine_tune(tmp_path, saved, strict=True, **changes)


@pytest.mark.parametrize('rate, speaks', [(0.49, False), (0.5, True)])
def test_five_times_is_where_it_speaks(saved, tmp_path, rate, speaks):
    assert bool(fine_tune(tmp_path, saved, **{LR: rate})) is speaks


def test_a_multiplier_of_the_head_names_the_head_alone(saved, tmp_path):
    (line,) = fine_tune(tmp_path, saved, **{HEAD_MULT: 10.0})
    assert ' head: peak 1, 10 times the 0.1' in line and 'body' not in line


def test_a_multiplier_that_the_checkpoint_had_too_is_silent(tmp_path):
    train(make_config(tmp_path / 'old', **{HEAD_MULT: 10.0}))
    file = tmp_path / 'old/epoch_3.pth'
    assert not fine_tune(tmp_path / 'new', file, strict=True, **{HEAD_MULT: 10.0})


def test_a_head_that_does_not_load_may_learn_fast(saved, tmp_path):
    def widen(checkpoint):
        state = checkpoint['state_dict']
        state['head.weight'], state['head.bias'] = torch.zeros(9, 2), torch.zeros(9)

    file = edit(saved, tmp_path / 'wide.pth', widen)
    assert not fine_tune(tmp_path / 'run', file, strict=True, **{HEAD_MULT: 10.0})


def test_a_file_without_a_config_is_compared_with_nothing(saved, tmp_path):
    state = torch.load(saved, weights_only=False)['state_dict']
    torch.save(state, tmp_path / 'plain.pth')
    assert not fine_tune(tmp_path / 'run', tmp_path / 'plain.pth', strict=True, **{LR: 1.0})


def test_a_resumed_run_is_none_of_its_business(saved, tmp_path):
    changes = {LR: 1.0, 'resume': True, 'train_cfg.max_epochs': 4}
    cfg = make_config(tmp_path, load_from=str(saved), **changes)
    cfg.guards = dict(strict=True, resume_anyway=True)
    train(cfg)
    assert 'times the' not in log_of(tmp_path)


WARM_UP = dict(type='LinearLR', start_factor=0.1, begin=0, end=3, by_epoch=False)
SCHEDULES = dict(
    none=[],
    single=[dict(type='PolyLR', power=0.9, eta_min=0.001)],
    warm_up_longer_than_the_run=[dict(WARM_UP, end=40)],
    poly_of_iterations=[WARM_UP, dict(type='PolyLR', power=1.0, begin=3, end=12, by_epoch=False)],
    cosine=[
        dict(WARM_UP, end=1, by_epoch=True, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=1, end=3, convert_to_iter_based=True),
    ],
    restarts=[
        dict(
            type='CosineRestartLR',
            periods=[6, 6],
            restart_weights=[1.0, 3.0],
            eta_min=0.0,
            by_epoch=False,
        )
    ],
    one_cycle=[dict(type='OneCycleLR', eta_max=0.7, total_steps=12, by_epoch=False)],
    steps=[WARM_UP, dict(type='MultiStepLR', milestones=[1, 2], gamma=0.1)],
    with_momentum=[
        dict(type='ConstantLR', factor=0.3, end=99, by_epoch=False),
        dict(type='LinearMomentum', start_factor=0.5, by_epoch=False, end=4),
    ],
)


@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('name', SCHEDULES)
def test_peaks_are_those_that_the_run_had(tmp_path, name, by_epoch):
    """Before the first step and from the checkpoint alone, against every step of a real run."""

    def config(work_dir):
        changes = {
            'param_scheduler': copy.deepcopy(SCHEDULES[name]),
            HEAD_MULT: 3.0,
            'auto_scale_lr.enable': True,
        }
        if not by_epoch:
            loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=10)
            changes['train_cfg'] = loop
            changes['train_dataloader.sampler.type'] = 'InfiniteSampler'
            changes['default_hooks.checkpoint'] = dict(by_epoch=False, interval=10)
        return make_config(work_dir, **changes)

    runner, seen = train(config(tmp_path))
    steps = [groups for epoch in seen.values() for groups in epoch['groups']]
    rates = [max(step[index]['lr'] for step in steps) for index in range(len(steps[0]))]
    names = [parameter for parameter, _ in runner.model.named_parameters()]
    want = pytest.approx(dict(zip(names, rates, strict=True)), rel=1e-6)

    (file,) = tmp_path.glob('iter_10.pth' if not by_epoch else 'epoch_3.pth')
    checkpoint = torch.load(file, weights_only=False)
    old = parse_config_text(checkpoint['meta']['cfg'])
    assert recorded_peak_rates(runner.model, checkpoint, old, None, 99) == (want, [])

    cfg = config(tmp_path / 'fresh')
    fresh = MMEngineRunner.from_cfg(cfg)
    fresh.optim_wrapper = fresh.build_optim_wrapper(cfg.optim_wrapper)
    fresh.scale_lr(fresh.optim_wrapper, cfg.auto_scale_lr)
    fresh._train_loop = fresh.build_train_loop(cfg.train_cfg)
    built = fresh.build_param_scheduler(cfg.param_scheduler)
    before = copy.deepcopy([scheduler.state_dict() for scheduler in built])
    epochs, length = (3, 4) if by_epoch else (1, 10)
    assert peak_rates(fresh.model, fresh.optim_wrapper, built, epochs, length) == want
    assert [scheduler.state_dict() for scheduler in built] == before, 'the run itself was stepped'


@pytest.mark.parametrize('where', ['constructor', 'scheduler', 'optimizer'])
def test_no_class_of_the_checkpoints_choice_is_imported(saved, tmp_path, monkeypatch, where):
    module = tmp_path / 'chosen_by_a_stranger.py'
    module.write_text(f'open({str(tmp_path / "owned")!r}, "w")\nclass Thing: pass\n')
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = torch.load(saved, weights_only=False)
    old = parse_config_text(checkpoint['meta']['cfg'])
    if where == 'constructor':
        old['optim_wrapper']['constructor'] = 'chosen_by_a_stranger.Thing'
    elif where == 'scheduler':
        old['param_scheduler'] = [dict(type='chosen_by_a_stranger.Thing', end=3)]
    else:
        old['optim_wrapper']['optimizer']['type'] = 'chosen_by_a_stranger.Thing'
    runner = MMEngineRunner.from_cfg(make_config(tmp_path / 'run'))
    rates, left_out = recorded_peak_rates(runner.model, checkpoint, old, None, 4)
    assert not (tmp_path / 'owned').exists()
    assert len(left_out) == (where != 'optimizer')
    assert rates == pytest.approx(dict.fromkeys(rates, 0.1)) and len(rates) == 4


def test_no_scope_of_the_checkpoints_choice_is_imported(saved, tmp_path, monkeypatch):
    package = tmp_path / 'scope_of_a_stranger'
    package.mkdir()
    owned = f'open({str(tmp_path / "owned")!r}, "w")\n'
    (package / '__init__.py').write_text(owned)
    (package / 'registry.py').write_text(owned)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = torch.load(saved, weights_only=False)
    old = parse_config_text(checkpoint['meta']['cfg'])
    old['param_scheduler'] = [dict(type='ConstantLR', factor=0.5, _scope_=package.name, end=9)]
    runner = MMEngineRunner.from_cfg(make_config(tmp_path / 'run'))
    rates, left_out = recorded_peak_rates(runner.model, checkpoint, old, None, 4)
    assert not (tmp_path / 'owned').exists()
    assert not left_out and rates == pytest.approx(dict.fromkeys(rates, 0.05)) and len(rates) == 4


def test_a_first_validation_far_below_the_record(tiny, tmp_path):
    """The weights are those of a short training; the record is raised to one of a long training."""
    tiny.merge_from_dict(
        {
            'train_dataloader.dataset.indices': 16,
            'val_dataloader.dataset.indices': 4,
            'default_hooks.val_sheet': None,
            'default_hooks.curves': None,
            'train_cfg.max_epochs': 1,
        }
    )

    def run(folder, file=None):
        tiny.work_dir, tiny.load_from = str(folder), file and str(file)
        name_run(tiny)
        Runner.from_cfg(tiny).train()
        return 'at the first validation, under half of the' in log_of(folder)

    def raise_record(checkpoint):
        checkpoint['message_hub']['log_scalars']['val/mIoU'] = HistoryBuffer([60.0], [1])

    assert not run(tmp_path / 'trained')
    (best,) = tmp_path.glob('trained/best_mIoU_*.pth')
    scores = json.loads((tmp_path / 'trained/metrics.json').read_text())['best']['metrics']
    checkpoint = torch.load(best, weights_only=False)
    assert recorded_score(checkpoint, {}) == pytest.approx(scores['mIoU'])
    assert run(tmp_path / 'spoilt', edit(best, tmp_path / 'spoilt.pth', raise_record))


def test_the_score_of_a_checkpoint_is_that_of_its_own_iteration(tmp_path):
    """An epoch's file is saved before its validation, and holds the score of the one before."""
    file = str(tmp_path / 'epoch_2.pth')
    scalars = {'val/mIoU': HistoryBuffer([37.85], [1])}
    checkpoint = dict(meta=dict(iter=60), message_hub=dict(log_scalars=scalars))
    assert score_of(file, checkpoint, {}) == 37.85
    entries = [(30, dict(mIoU=37.85)), (60, dict(mIoU=50.1)), (90, dict(mIoU=55.0))]
    text = json.dumps(dict(validations=[dict(iter=i, metrics=m) for i, m in entries]))
    (tmp_path / 'metrics.json').write_text(text)
    assert score_of(file, checkpoint, {}) == 50.1
    assert score_of(file, dict(checkpoint, meta=dict(iter=61)), {}) == 37.85
    (tmp_path / 'metrics.json').write_text(text.replace('50.1', 'null'))
    assert score_of(file, checkpoint, {}) == 37.85
    assert score_of('https://server/epoch_2.pth', checkpoint, {}) == 37.85


@pytest.mark.parametrize(
    'found, classes, speaks', [(29, 'ab', True), (31, 'ab', False), (29, 'ba', False)]
)
def test_half_of_the_record_on_the_same_classes(found, classes, speaks):
    said = []
    runner = SimpleNamespace(
        val_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes='ab'))),
        cfg=SimpleNamespace(load_from='x.pth'),
        logger=SimpleNamespace(warning=said.append),
    )
    hook = FineTuneGuardHook()
    hook.recorded, hook.classes = 60.0, classes
    hook.after_val_epoch(runner, dict(mIoU=found))
    hook.after_val_epoch(runner, dict(mIoU=1))
    assert len(said) == speaks, 'it speaks of the first validation alone'
