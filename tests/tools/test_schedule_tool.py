import re
import runpy
import shlex
import sys

import pytest
from conftest import ROOT

TOOL = ROOT / 'tools/analysis_tools/schedule.py'


@pytest.fixture
def schedule(monkeypatch, capsys):
    """Runs the tool in this process; returns its status, what it said, and its errors."""

    def schedule(*words):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, words)])
        monkeypatch.setenv('COLUMNS', '100')
        status = 0
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return schedule


def row(text, name):
    """The cells of a table's row."""
    (line,) = [line for line in text.splitlines() if re.match(rf'\W*{re.escape(name)}\s*│', line)]
    return [cell.strip() for cell in line.strip('│┃ ').split('│')][1:]


def test_a_published_length(schedule):
    _, said, _ = schedule('--images', 10582, '--iters', 160000, '--from-batch', 16, '--batch', 18)
    assert row(said, 'epochs') == ['241.92', '241.92']
    assert row(said, 'iterations') == ['160,000', '142,222']
    _, said, _ = schedule('--images', 10582, '--epochs', 200, '--batch', 18)
    assert row(said, 'iterations') == ['117,600']


def test_a_learning_rate_by_both_rules(schedule):
    status, said, _ = schedule('--lr', '6e-5', '--from-batch', 16, '--batch', 64)
    assert status == 0
    assert re.search(r'linear +lr 0\.00024 .*SGD', said)
    assert re.search(r'square root +lr 0\.00012 .*AdamW', said)


def test_a_leaf_on_fewer_gpus_and_back(schedule, tiny_config, tmp_path):
    leaf = tmp_path / 'tiny_3xb8-2e_voc.py'
    leaf.write_text(f"_base_ = '{tiny_config}'\n")
    status, said, errors = schedule(leaf, '--gpus', 1, '--cfg-options', 'randomness.seed=5')
    assert status == 0, errors
    assert row(said, 'batch in all') == ['24', '24']
    assert row(said, 'training images') == ['40', '40']
    assert row(said, 'iterations an epoch') == ['2', '5']
    command = said[said.index('python tools/train.py') :].replace('\\\n', '')
    words = shlex.split(command.splitlines()[0])[2:]
    assert words == [
        str(leaf),
        '--cfg-options',
        'randomness.seed=5',
        'optim_wrapper.accumulative_counts=3',
    ]
    assert 'BatchNorm' in said  # over 8 images instead of 24

    # the leaf so changed is what the command would train, and needs nothing more
    status, said, _ = schedule(*words[:1], '--of-gpus', 1, *words[1:])
    assert row(said, 'batch in all') == ['24', '24'] and 'note:' not in said
    assert said.count('accumulative_counts') == 1


def test_a_gpu_may_hold_more_than_is_wanted(schedule, tiny_config):
    leaf = (tiny_config, '--images', 40, '--of-gpus', 2)
    status, said, errors = schedule(*leaf, '--gpus', 4, '--batch-size', 8)
    assert status == 0, errors
    assert row(said, 'GPUs x batch x accumulation') == ['2 x 8 x 1', '4 x 4 x 1']
    assert 'optimizer.lr' not in said


def test_rates_that_are_unknown_are_a_note(schedule, tiny_config):
    leaf = (tiny_config, '--images', 40, '--of-gpus', 1)
    status, said, _ = schedule(*leaf, '--cfg-options', 'param_scheduler.0.type=GoneLR')
    assert status == 0 and 'lr, highest' not in said
    assert 'note: the learning rates are not shown' in said
    assert 'note: the learning rates' not in schedule(*leaf)[1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('', 'need --batch'),
        ('--batch 0 --images 5 --epochs 1', '--batch 0 is not a number above 0'),
        ('--batch 2 --epochs 3', '--epochs and --iters need --images'),
        ('--batch 2 --images 5', 'one length is needed'),
        ('--batch 2 --images 5 --epochs 1 --iters 2', 'one length is needed'),
        ('--batch 6 --images 5 --epochs 1', '--batch 6 is more than the 5'),
        ('--batch 6 --lr 0.1', '--lr needs --from-batch'),
        ('--batch 6 --gpus 2', '--gpus goes with a config'),
        ('LEAF --batch 6', '--batch goes with numbers alone'),
        ('LEAF --gpus 0', '--gpus 0 is not a number above 0'),
        ('LEAF --images 5', 'say it with --of-gpus'),
        ('LEAF --of-gpus 3 --cfg-options data_root=/gone', 'say how many images there are'),
        ('LEAF --of-gpus 3 --cfg-options train_dataloader=None', 'has no train_dataloader'),
        ('LEAF --of-gpus 3 --images 5', '5 training images on 3 GPUs fill no batch of 8'),
        ('LEAF --of-gpus 3 --cfg-options optim_wrapper=None', 'has no optim_wrapper.optimizer'),
        (
            'LEAF --of-gpus 3 --cfg-options train_dataloader.sampler.type=InfiniteSampler',
            'never ends the first epoch',
        ),
        ('gone.py', 'no config file at gone.py'),
    ],
)
def test_errors_are_one_line(schedule, tiny_config, words, message):
    status, _, errors = schedule(*words.replace('LEAF', str(tiny_config)).split())
    assert status == 2
    (line,) = [line for line in errors.splitlines() if line.startswith('error: ')]
    assert message in line
    assert 'Traceback' not in errors
