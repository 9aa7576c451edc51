import json
import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load_run_config, write_tiny_config
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
from mmseg_ext.benchmarks.rate_sweep_report import (
    MARKERS,
    draw_sweep,
    make_figure,
    print_sweep,
    speaks_from,
)
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
TOOL = str(ROOT / 'tools/analysis_tools/rate_sweep.py')


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


def made_run(rate, curve, verdict, *, said=None, seed=0):
    """A run of a sweep, as far as table and picture read it."""
    points = [dict(iter=10 * i, epoch=i, mIoU=score) for i, score in enumerate(curve, start=1)]
    return dict(
        lr=rate,
        factor=rate / 6e-4,
        seed=seed,
        curve=points,
        last=points[-1],
        best=max(points, key=lambda point: point['mIoU']),
        first_loss=0.32,
        last_loss=0.17,
        guard=dict(rate=said, score=said),
        verdict=verdict,
    )


@pytest.fixture
def made():
    """A sweep with a run of each verdict, and a second seed of the fastest."""
    runs = [
        made_run(6e-4, [60.0, 61.0], 'keeps'),
        made_run(1.8e-3, [50.0, 55.0], 'loses'),
        made_run(0.06, [9.0, 7.0], 'collapses', said='x'),
        made_run(0.06, [8.0, 5.0], 'collapses', said='x', seed=1),
    ]
    before = dict(file='x.pth', mIoU=60.0, lr=6e-4)
    return dict(config='configs/a.py', runs=runs, before=before, speaks_from=5.0)


def test_the_table_fits_a_terminal_of_80_columns(made, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    print_sweep(made)
    title, heading, _, *rows = capsys.readouterr().out.splitlines()
    assert 'a, from 60.00 mIoU' in title
    assert heading.replace('┃', ' ').split() == [
        *('rate', 'times', 'seed', 'first', 'last', 'loss', 'guard', 'verdict')
    ]
    cells = [[cell.strip() for cell in row.split('│')] for row in rows]
    loss = '0.32 to 0.17'
    assert cells == [
        ['0.0006', '1', '0', '60.00', '61.00', loss, '', 'keeps'],
        ['0.0018', '3', '0', '50.00', '55.00', loss, '', 'loses'],
        ['0.06', '100', '0', '9.00', '7.00', loss, 'rate, score', 'collapses'],
        ['0.06', '100', '1', '8.00', '5.00', loss, 'rate, score', 'collapses'],
    ]


def test_the_picture_has_a_curve_a_run_from_the_checkpoint_on(made):
    over_time, _ = make_figure(made).axes
    *curves, whole, half = over_time.get_lines()
    drawn = [[list(line.get_xdata()), list(line.get_ydata())] for line in curves]
    assert drawn == [
        [[0, 10, 20], [60, 60, 61]],
        [[0, 10, 20], [60, 50, 55]],
        [[0, 10, 20], [60, 9, 7]],
        [[0, 10, 20], [60, 8, 5]],
    ]
    assert [line.get_ydata()[0] for line in (whole, half)] == [60, 30]
    colours = [tuple(line.get_color()) for line in curves]
    assert len(set(colours)) == 3 and colours[2] == colours[3], 'a colour a rate'
    names = [text.get_text() for text in over_time.get_legend().get_texts()]
    assert names == ['0.0006 (1x)', '0.0018 (3x)', '0.06 (100x)'] and over_time.get_ylim()[0] == 0


def test_the_picture_has_a_marker_a_run_over_its_rate(made):
    _, over_rate = make_figure(made).axes
    means = over_rate.get_lines()[0]
    assert list(means.get_xdata()) == [6e-4, 1.8e-3, 0.06]
    assert list(means.get_ydata()) == [61, 55, 6]
    points = [dots for dots in over_rate.collections if len(dots.get_offsets())]
    assert [tuple(dots.get_offsets()[0]) for dots in points] == [
        (6e-4, 61), (1.8e-3, 55), (0.06, 7), (0.06, 5),
    ]  # fmt: skip
    shapes = {len(dots.get_paths()[0].vertices) for dots in points}
    assert len(shapes) == len(MARKERS), 'a shape a verdict'
    legend = over_rate.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*MARKERS, 'the guard warns', 'the checkpoint, 60.00', 'half of it']
    (shade,) = over_rate.patches
    assert shade.get_x() == pytest.approx(3e-3)
    assert shade.get_x() + shade.get_width() == pytest.approx(over_rate.get_xlim()[1])
    assert over_rate.get_xscale() == 'log' and over_rate.get_title() == 'after the training'


def test_the_picture_of_a_silent_guard_shades_nothing(made):
    made['runs'] = made['runs'][:2]
    _, over_rate = make_figure(made).axes
    assert not over_rate.patches


def test_the_picture_is_written_as_png(swept, tmp_path):
    draw_sweep(tmp_path / 'sweep.png', swept)
    with Image.open(tmp_path / 'sweep.png') as picture:
        assert picture.format == 'PNG' and picture.width > picture.height > 300
    assert [file.name for file in tmp_path.iterdir()] == ['sweep.png']


@pytest.mark.parametrize(
    'recorded, silent, spoke, edge',
    [
        (1.0, [1.0], [30.0, 10.0], 5.0),
        (1.0, [1.0, 6.0], [10.0], 6.0),
        (1.0, [1.0], [3.0, 10.0], 3.0),
        (1.0, [20.0], [10.0], 5.0),
        (None, [1.0, 2.0], [10.0], 2.0),
        (None, [], [10.0, 30.0], 10.0),
        (None, [20.0], [10.0], 10.0),
        (1.0, [1.0], [], None),
    ],
)
def test_where_the_guard_speaks_from(recorded, silent, spoke, edge):
    runs = [
        dict(lr=rate, guard=dict(rate=said))
        for rates, said in ((silent, None), (spoke, 'x'))
        for rate in rates
    ]
    result = dict(runs=runs, before=dict(lr=recorded), speaks_from=5.0)
    assert speaks_from(result) == edge


@pytest.mark.parametrize(
    'before, last, finite, verdict',
    [
        (60, 60, True, 'keeps'),
        (60, 59.9, True, 'loses'),
        (60, 30, True, 'loses'),
        (60, 29.9, True, 'collapses'),
        (60, 70, False, 'collapses'),
        (60, math.nan, True, 'collapses'),
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


def test_what_an_earlier_run_in_the_folder_was_told_is_not_this_ones(tmp_path):
    validations = [dict(epoch=1, iter=2, metrics=dict(mIoU=50.0))]
    metrics = dict(started='20260102_000000', validations=validations)
    (tmp_path / 'metrics.json').write_text(json.dumps(metrics))
    for time in ('20260101_000000', '20260102_000000'):
        (tmp_path / time).mkdir()
        line = f'mIoU 3.00 at the first validation, under half of the 60 in {time}'
        (tmp_path / time / f'{time}.log').write_text(f'12:00 - mmengine - WARNING - {line}\n')
    said = describe_run(tmp_path, 1.0, dict(mIoU=60.0, lr=None))['guard']['score']
    assert said.endswith('in 20260102_000000')


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
    for scalars in ({}, {'val/mIoU': HistoryBuffer([0.0], [1])}):
        torch.save(dict(state_dict={}, message_hub=dict(log_scalars=scalars)), file)
        with pytest.raises(UsageError, match=r'weights\.pth has no mIoU above 0 on record'):
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


@pytest.fixture
def sweep(monkeypatch, capsys):
    """Runs the command in this process, where nothing may train; returns status and output."""

    def sweep(*words):
        monkeypatch.setattr(training, 'time_command', pytest.fail)
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, words)])
        status = 0
        try:
            runpy.run_path(TOOL, run_name='__main__')
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return sweep


def test_the_command_prints_writes_and_draws(sweep, swept, strict, trained, tmp_path):
    out, picture = tmp_path / 'sweep.json', tmp_path / 'sweep.png'
    status, said = sweep(
        *(strict, '--load-from', trained, '--factors', 1e30, 1, '--out', out, '--picture', picture),
        *('--work-dirs', Path(swept['runs'][0]['work_dir']).parent),
        *('--cfg-options', *(f'{key}={value}' for key, value in SHORT.items())),
    )
    assert status == 0 and '0.005' in said and 'collapses' in said
    runs = json.loads(out.read_text())['runs']
    assert [(each['rate'], each['lr']) for each in runs] == [('lr0.005', OWN), ('lr5e+27', 5e27)]
    assert [bool(each['guard']['rate']) for each in runs] == [False, True]
    assert picture.is_file()


@pytest.mark.parametrize(
    'words, said',
    [
        (['--out', 'gone/x.json'], 'error: there is no folder gone; make it first'),
        (['--out', '.'], 'error: . is a folder; name a file'),
        (['--picture', 'gone/x.png'], 'error: there is no folder gone; make it first'),
        (['--picture', '.'], 'error: . is a folder; name a file'),
        (['--picture', 'x.svg'], 'error: x.svg: the name of a picture ends in .png'),
    ],
)
def test_where_the_result_goes_is_checked_first(sweep, strict, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    # the config has no checkpoint, which would be the next thing to say
    status, text = sweep(strict, *words)
    assert status == 2 and text.strip() == said
