import json
import math
import sys
from pathlib import Path

import pytest
import torch
from conftest import load_run_config, write_tiny_config
from mmengine.logging import HistoryBuffer
from PIL import Image
from toy import edit

from mmseg_ext.benchmarks import training
from mmseg_ext.benchmarks.rate_sweep import (
    choose_rates,
    describe_checkpoint,
    describe_run,
    judge,
    sweep_rates,
)
from mmseg_ext.benchmarks.rate_sweep_report import draw_sweep, print_sweep, speaks_from
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner

SHORT = {
    'train_cfg.max_epochs': 1,
    'param_scheduler': [],
    'train_dataloader.dataset.indices': 16,
    'val_dataloader.dataset.indices': 4,
    'default_hooks.logger.interval': 1,
    'default_hooks.val_sheet': None,
    'default_hooks.curves': None,
}
OWN = 5e-3


def train_here(command):
    """Runs ``train.py LEAF --work-dir DIR`` in this process: starting another takes longer."""
    _, _, leaf, _, work_dir, *resume = command
    assert not resume
    cfg = load_run_config(leaf)
    cfg.work_dir = str(work_dir)
    Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module')
def strict(voc_root, tmp_path_factory):
    """The tiny config with a rate that teaches it something at once, and a guard that stops."""
    extra = f'optim_wrapper = dict(optimizer=dict(lr={OWN}))\nguards = dict(strict=True)'
    return str(write_tiny_config(tmp_path_factory.mktemp('strict') / 'strict.py', voc_root, extra))


@pytest.fixture(scope='module')
def trained(strict, tmp_path_factory):
    """A checkpoint of five iterations, with its validation on record."""
    cfg = load_run_config(strict)
    cfg.merge_from_dict({**SHORT, 'train_dataloader.dataset.indices': 40})
    cfg.work_dir = str(tmp_path_factory.mktemp('trained'))
    Runner.from_cfg(cfg).train()
    return f'{cfg.work_dir}/epoch_1.pth'


@pytest.fixture(scope='module')
def swept(strict, trained, tmp_path_factory):
    """A sweep over the own rate and one at which the loss is soon no number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, 'time_command', train_here)
        out = tmp_path_factory.mktemp('sweep')
        return sweep_rates(strict, trained, [0], out, SHORT, factors=[1e30, 1])


def test_a_sweep_tells_what_each_rate_made_of_the_checkpoint(swept, trained):
    low, high = swept['runs']
    assert [run['lr'] for run in swept['runs']] == pytest.approx([OWN, 1e30 * OWN])
    assert [run['factor'] for run in swept['runs']] == pytest.approx([1, 1e30])
    assert swept['before']['mIoU'] > 1, 'nothing to lose'
    recorded = json.loads(Path(trained).with_name('metrics.json').read_text())
    assert swept['before'] == dict(
        file=trained, mIoU=recorded['validations'][0]['metrics']['mIoU'], lr=OWN
    )
    for run in (low, high):
        metrics = json.loads(Path(run['work_dir'], 'metrics.json').read_text())['validations']
        assert [point['mIoU'] for point in run['curve']] == [
            each['metrics']['mIoU'] for each in metrics
        ]
        assert run['curve'][0]['iter'] == 2
    assert low['finite'] and math.isfinite(low['last_loss']) and low['verdict'] != 'collapses'
    assert not high['finite'] and not math.isfinite(high['last_loss'])
    assert high['verdict'] == 'collapses'


def test_a_sweep_keeps_what_the_guard_said(swept, trained):
    low, high = (run['guard'] for run in swept['runs'])
    assert low == dict(rate=None, score=None)
    assert f'1e+30 times the 0.005 that trained {trained}; ' in high['rate']
    assert swept['runs'][1]['curve'], 'it warned, and did not stop'
    assert speaks_from(swept) == pytest.approx(5 * OWN)


def test_a_sweep_that_is_finished_trains_nothing_again(swept, strict, trained, monkeypatch):
    monkeypatch.setattr(training, 'time_command', pytest.fail)
    folder = Path(swept['runs'][0]['work_dir']).parent
    again = sweep_rates(strict, trained, [0], folder, SHORT, rates=[OWN])
    assert again['runs'] == swept['runs'][:1]


def test_the_table_and_the_picture(swept, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    print_sweep(swept)
    said = capsys.readouterr().out
    assert '0.005' in said and 'collapses' in said and said.count('rate') == 2
    draw_sweep(tmp_path / 'sweep.png', swept)
    with Image.open(tmp_path / 'sweep.png') as picture:
        assert picture.width > picture.height > 300
        # both lines have their colours, so the rates are there
        assert len(picture.convert('RGB').getcolors(1 << 20)) > 50


@pytest.mark.parametrize(
    'before, last, finite, verdict',
    [
        (60, 60, True, 'keeps'),
        (60, 59.9, True, 'loses'),
        (60, 30, True, 'loses'),
        (60, 29.9, True, 'collapses'),
        (60, 70, False, 'collapses'),
    ],
)
def test_verdicts(before, last, finite, verdict):
    assert judge(before, last, finite) == verdict


def test_a_line_of_the_first_validation_is_found_in_any_start_of_the_run(tmp_path):
    metrics = dict(validations=[dict(epoch=1, iter=2, metrics=dict(mIoU=3.0))])
    (tmp_path / 'metrics.json').write_text(json.dumps(metrics))
    for time, line in ('1', 'mIoU 3.00 at the first validation, under half of the 60'), ('2', 'x'):
        (tmp_path / time).mkdir()
        (tmp_path / time / f'{time}.log').write_text(f'12:00 - mmengine - WARNING - {line}\n')
    guard = describe_run(tmp_path, 1.0, dict(mIoU=60.0, lr=None))['guard']
    assert guard['score'].startswith('mIoU 3.00 at') and guard['rate'] is None


def test_a_checkpoint_alone_tells_its_last_recorded_score(trained, tmp_path):
    def record(checkpoint):
        checkpoint['message_hub']['log_scalars']['val/mIoU'] = HistoryBuffer([41.5], [1])

    there = edit(trained, Path(trained).with_name('there.pth'), record)
    moved = edit(trained, tmp_path / 'moved.pth', record)
    # a file of an epoch is saved before that epoch's validation, and holds the one before it
    assert describe_checkpoint(str(there)) == dict(describe_checkpoint(trained), file=str(there))
    assert describe_checkpoint(str(moved))['mIoU'] == 41.5


@pytest.mark.parametrize('rates, factors', [([1.0], [1.0]), ([], [])])
def test_rates_and_factors_are_one_of_the_two(tiny, rates, factors):
    with pytest.raises(UsageError, match='one of the two'):
        choose_rates(tiny, rates, factors)


@pytest.mark.parametrize('number', [0.0, -1.0, math.nan, math.inf])
def test_a_rate_is_above_zero(tiny, number):
    with pytest.raises(UsageError, match='it has to be above 0'):
        choose_rates(tiny, [], [1.0, number])
    with pytest.raises(UsageError, match='it has to be above 0'):
        choose_rates(tiny, [number], [])


def test_factors_of_no_rate(tiny):
    tiny.optim_wrapper.optimizer.pop('lr')
    with pytest.raises(UsageError, match=r'has no optim_wrapper\.optimizer\.lr'):
        choose_rates(tiny, [], [1.0])


def test_rates_are_named_as_they_are_printed(tiny):
    assert choose_rates(tiny, [], [0.3, 1, 0.1, 1.0]) == [6e-5, 1.8e-4, 6e-4]


def test_no_checkpoint(tiny_config, tmp_path):
    with pytest.raises(UsageError, match='starts from no checkpoint: name one with --load-from'):
        sweep_rates(str(tiny_config), None, [0], tmp_path, {}, rates=[1.0])
    missing = str(tmp_path / 'gone.pth')
    with pytest.raises(UsageError, match=r'gone\.pth'):
        sweep_rates(str(tiny_config), missing, [0], tmp_path, {}, rates=[1.0])


def test_a_checkpoint_without_a_score(tiny_config, tmp_path):
    file = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict={}), file)
    with pytest.raises(UsageError, match=r'weights\.pth has no mIoU on record'):
        sweep_rates(str(tiny_config), file, [0], tmp_path / 'runs', {}, rates=[1.0])
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
    'path, options',
    [
        ('optim_wrapper.optimizer.lr', {'optim_wrapper.optimizer.lr': 2.0}),
        ('optim_wrapper.optimizer.lr', {'optim_wrapper': dict(optimizer=dict(lr=2.0))}),
        ('load_from', {'load_from': 'other.pth'}),
        ('guards.strict', {'guards': dict(strict=True)}),
        ('guards.strict', {'guards': dict(_delete_=True)}),
        ('randomness.seed', {'randomness.seed': 7}),
    ],
)
def test_options_that_would_undo_the_sweep(tiny_config, trained, tmp_path, path, options):
    folder = tmp_path / 'runs'
    with pytest.raises(UsageError, match=f'^the options change {path}, which each rate run sets'):
        sweep_rates(str(tiny_config), trained, [0], folder, options, rates=[1.0])
    assert not folder.exists()


@pytest.mark.slow
def test_the_command(run, strict, trained, tmp_path):
    command = [
        *(sys.executable, 'tools/analysis_tools/rate_sweep.py', strict),
        *('--load-from', trained, '--factors', 1, 10, '--work-dirs', tmp_path / 'runs'),
        *('--out', tmp_path / 'sweep.json', '--picture', tmp_path / 'sweep.png'),
        *('--cfg-options', *(f'{key}={value}' for key, value in SHORT.items())),
    ]
    said = run(*command).stdout
    assert '0.05' in said
    runs = json.loads((tmp_path / 'sweep.json').read_text())['runs']
    assert [bool(each['guard']['rate']) for each in runs] == [False, True]
    assert (tmp_path / 'sweep.png').is_file()
    leaf = load_config(str(tmp_path / 'runs/lr0.05-seed0.py'))
    assert leaf.load_from == trained and leaf.optim_wrapper.optimizer.lr == pytest.approx(0.05)
