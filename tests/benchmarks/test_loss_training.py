import json
import re
import shutil
import sys

import pytest
from conftest import ROOT, write_tiny_config

from mmseg_ext.benchmarks import training
from mmseg_ext.benchmarks.loss_training import LOSSES, loss_changes
from mmseg_ext.benchmarks.training import is_finished, train_all, write_leaf
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError

CAMVID = 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py'
EPOCH = {'train_cfg.max_epochs': 1}


def write_loss_leaf(config, loss, seed, work_dirs, options):
    changes = loss_changes(load_config(config, options), loss)
    return write_leaf('loss', config, loss, changes, seed, work_dirs, options)


def write_metrics(work_dir, *scores):
    """What a run that validated after every epoch leaves."""
    validations = [
        dict(epoch=epoch, iter=5 * epoch, metrics=dict(mIoU=score, aAcc=90.0), per_class={})
        for epoch, score in enumerate(scores, start=1)
    ]
    work_dir.mkdir(parents=True, exist_ok=True)
    (work_dir / 'metrics.json').write_text(json.dumps(dict(validations=validations)))


@pytest.mark.parametrize(
    'key, value', [('randomness.seed', 1), ('model.decode_head.loss_decode', dict(type='Other'))]
)
def test_an_option_that_overrules_the_seed_or_the_loss_is_refused(
    tiny_config, tmp_path, key, value
):
    with pytest.raises(UsageError, match=f'^the options change {key}.*, .* leave it out$'):
        write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path / 'runs', {key: value})
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize('loss', LOSSES)
def test_the_leaf_of_a_run_has_our_head_its_loss_and_seed(tmp_path, loss):
    leaf = write_loss_leaf(str(ROOT / CAMVID), loss, 3, tmp_path, {'train_cfg.max_epochs': 2})
    cfg, base = load_config(str(leaf)), load_config(str(ROOT / CAMVID))
    assert cfg.model.decode_head.pop('loss_decode') == LOSSES[loss]
    base.model.decode_head.pop('loss_decode')
    assert cfg.model.decode_head.pop('type') == 'mmseg_ext.SegformerHead'
    assert base.model.decode_head.pop('type') == 'SegformerHead'
    assert cfg.model == base.model
    assert cfg.randomness == dict(seed=3) and cfg.train_cfg.max_epochs == 2
    assert cfg.train_dataloader == base.train_dataloader


def test_a_head_that_is_not_ours_stays(tmp_path, voc_root):
    extra = "model['decode_head']['type'] = 'mmseg.PSPHead'"
    config = write_tiny_config(tmp_path / 'psp.py', voc_root, extra)
    leaf = write_loss_leaf(str(config), 'focal-dice', 0, tmp_path / 'runs', {})
    assert load_config(str(leaf)).model.decode_head.type == 'mmseg.PSPHead'


def test_a_cascade_is_refused(tmp_path, voc_root):
    extra = "model['decode_head'] = [model['decode_head']] * 2"
    config = write_tiny_config(tmp_path / 'two.py', voc_root, extra)
    with pytest.raises(UsageError, match='a cascade of 2 decode heads'):
        write_loss_leaf(str(config), 'focal-dice', 0, tmp_path / 'runs', {})


def test_finished_runs_are_read_and_others_resumed(tmp_path, tiny_config, monkeypatch):
    commands = []

    def train(command):
        commands.append(command)
        write_metrics(command[4], 20.0, 30.0)

    monkeypatch.setattr(training, 'time_command', train)
    runs = tmp_path / 'runs'
    write_metrics(runs / 'cross-entropy-seed0', 41.0, 40.0)  # of two epochs
    write_metrics(runs / 'focal-dice-seed0', 10.0)
    (runs / 'focal-dice-seed0/epoch_1.pth').touch()
    cfg = load_config(str(tiny_config))
    variants = {name: loss_changes(cfg, name) for name in ('cross-entropy', 'focal-dice')}
    result = train_all('loss', str(tiny_config), variants, [0, 1], runs, {})
    names = ['focal-dice-seed0', 'cross-entropy-seed1', 'focal-dice-seed1']
    assert [command[2] for command in commands] == [runs / f'{name}.py' for name in names]
    assert ['--resume' in command for command in commands] == [True, False, False]
    assert result['scores'] == {
        'cross-entropy': {'0': 40.0, '1': 30.0},
        'focal-dice': {'0': 30.0, '1': 30.0},
    }
    first = result['runs'][0]
    assert first['best'] == dict(epoch=1, iter=5, mIoU=41.0, aAcc=90.0)
    assert first['last']['epoch'] == 2 and first['loss'] == 'cross-entropy'


def test_runs_of_other_settings_are_not_mixed(tmp_path, tiny_config):
    leaf = write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, {})
    assert write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, {}) == leaf
    with pytest.raises(UsageError, match='focal-dice-seed0.py was trained with other settings'):
        write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, EPOCH)


def test_an_option_reaches_into_a_list(tmp_path, tiny_config):
    options = {'param_scheduler.0.end': 4, 'param_scheduler.1.begin': 4, 'train_cfg.max_epochs': 1}
    cfg = load_config(str(write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, options)))
    assert cfg.param_scheduler == load_config(str(tiny_config), options).param_scheduler
    assert [cfg.param_scheduler[0].end, cfg.train_cfg.max_epochs] == [4, 1]


def test_a_seed_that_is_named_twice_is_trained_once(tmp_path, tiny_config, monkeypatch):
    commands = []

    def train(command):
        commands.append(command)
        write_metrics(command[4], 20.0, 30.0)

    monkeypatch.setattr(training, 'time_command', train)
    result = train_all('loss', str(tiny_config), {'a': {}}, [1, 0, 1], tmp_path, {})
    assert [run['seed'] for run in result['runs']] == [1, 0] and len(commands) == 2


@pytest.mark.parametrize(
    'name, options, said',
    [
        ('a_b_3xb8-2e_c', {}, '3xb8 makes steps of 24 images, one process here of 8: '),
        ('a_b_3xb8-2e_c', {'optim_wrapper.accumulative_counts': 3}, None),
        ('a_b_1xb8-2e_c', {}, None),
        ('a_b_1xb8-2e_c', {'train_dataloader.batch_size': 2}, '1xb8 makes steps of 8 images, '),
        ('tiny', {}, None),
    ],
)
def test_a_batch_that_is_not_the_leafs_is_said(
    tmp_path, tiny_config, monkeypatch, capsys, name, options, said
):
    leaf = shutil.copy(tiny_config, tmp_path / f'{name}.py')
    monkeypatch.setattr(training, 'time_command', lambda words: write_metrics(words[4], 1.0, 2.0))
    train_all('loss', str(leaf), {'x': {}}, [0], tmp_path / 'runs', options)
    first = capsys.readouterr().out.splitlines()[0]
    if said:
        assert first.startswith(said) and f'schedule.py {leaf} --gpus 1 ' in first
    else:
        assert first.startswith('1 of 1')


def test_a_title_is_no_setting(tmp_path, tiny_config):
    leaf = write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, EPOCH)
    older = leaf.read_text().replace('one of several', 'among')
    leaf.write_text(older)
    assert write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, EPOCH) == leaf
    assert 'among' in leaf.read_text(), 'the run has this one'
    leaf.write_text(older.replace("'max_epochs': 1", "'max_epochs': 2"))
    with pytest.raises(UsageError, match='other settings'):
        write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, EPOCH)


def test_a_run_is_finished_after_its_last_validation_only(tmp_path, tiny_config):
    leaf = write_loss_leaf(str(tiny_config), 'focal-dice', 0, tmp_path, {})
    assert not is_finished(leaf, tmp_path / 'run')
    write_metrics(tmp_path / 'run', 20.0)
    assert not is_finished(leaf, tmp_path / 'run')
    write_metrics(tmp_path / 'run', 20.0, 30.0)
    assert is_finished(leaf, tmp_path / 'run')


@pytest.mark.slow
def test_an_epoch_with_each_loss_on_the_demo_data(run, tiny_config, tmp_path):
    out = tmp_path / 'out.json'
    command = [
        *(sys.executable, 'tools/analysis_tools/benchmark.py', 'loss-training', tiny_config),
        *('--work-dirs', tmp_path / 'runs', '--out', out),
        *('--cfg-options', 'train_cfg.max_epochs=1'),
    ]
    first = run(*command)
    scores = json.loads(out.read_text())['scores']
    assert list(scores) == list(LOSSES) and len({str(each) for each in scores.values()}) == 3
    assert len(re.findall(r'^\d of 3: ', first.stdout, re.M)) == 3
    logs = list((tmp_path / 'runs').glob('*/2*'))
    again = run(*command)
    assert 'of 3: ' not in again.stdout and list((tmp_path / 'runs').glob('*/2*')) == logs
    assert json.loads(out.read_text())['scores'] == scores
    assert all(f'{score["0"]:.2f}' in again.stdout for score in scores.values())
