import json
import runpy
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT

from mmseg_ext import losses
from mmseg_ext.benchmarks import loss, loss_step
from mmseg_ext.benchmarks.commands import Timing
from mmseg_ext.benchmarks.loss_step import Settings, first_step, make_batch
from mmseg_ext.benchmarks.loss_training import LOSSES as TRAINED
from mmseg_ext.benchmarks.loss_variants import (
    COMPARISONS,
    STOCK,
    EagerFocalLoss,
    Variant,
    variants,
)
from mmseg_ext.benchmarks.peak_memory import STATUS, peak_memory
from mmseg_ext.models import FCNHead

TOOL = str(ROOT / 'tools/analysis_tools/benchmark.py')
SMALL = Settings(2, 7, (9, 12), (40, 48), 'cpu', 'float32', threads=1)


@pytest.fixture
def describe(tmp_path):
    """Compares variants by one step each, in this process."""

    def describe(rows, settings):
        files = {row.name: tmp_path / f'{row.name}.pt' for row in rows}
        first = {row.name: first_step(row, settings, files[row.name]) for row in rows}
        gradients = {name: torch.load(file) for name, file in files.items()}
        timings = {row.name: [Timing(1 + place, 1)] for place, row in enumerate(rows)}
        return loss.describe(rows, first, timings, gradients, settings)

    return describe


@pytest.mark.parametrize('comparison', COMPARISONS)
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
def test_ours_gives_what_stock_gives(describe, comparison, dtype):
    found = describe(variants(comparison, 'cpu', dtype), replace(SMALL, dtype=dtype))
    agrees = {name: row['agrees'] for name, row in found.items() if row['agrees'] is not None}
    assert all(agrees.values()) and len(agrees) == 1, found
    assert not loss.find_faults(found)
    if dtype != 'float32':
        assert found[STOCK]['value_difference'] > 0  # it is compared with more exact values
        assert found['stock in float32']['value_difference'] == 0


@pytest.mark.parametrize(
    'kind, settings',
    [
        (losses.FocalDiceLoss, dict(alpha=0.5001)),
        (losses.FocalDiceLoss, dict(gamma=2.01)),
        (losses.FocalDiceLoss, dict(count_ignored=False)),
    ],
)
def test_a_slightly_wrong_loss_is_reported(describe, kind, settings):
    baseline, right, _ = variants('focal-dice', 'cpu', 'float32')
    (_, form), *_ = right.losses
    wrong = Variant('wrong', FCNHead, ((kind, {**form, **settings}),), agrees=True)
    found = describe([baseline, right, wrong], SMALL)
    assert found[right.name]['agrees'] is True and found['wrong']['agrees'] is False
    (fault,) = loss.find_faults(found)
    assert fault.startswith("'wrong' is not what stock gives: value off by")


def test_differences_are_the_largest_and_relative():
    exact = dict(loss_a=1.0, loss_b=2.0, acc_seg=50.0)
    terms = dict(loss_a=1.5, loss_b=1.0, acc_seg=49.0)
    gradient = torch.tensor([3.0, 4.0])
    assert loss.differences(terms, exact, gradient + torch.tensor([0.0, 1.0]), gradient) == dict(
        value_difference=1, gradient_difference=0.2, gradient_largest=0.25, accuracy_difference=1
    )
    with pytest.raises(ValueError, match='loss_b'):
        loss.differences(dict(loss_a=1.0, acc_seg=0), exact, gradient, gradient)


def test_the_stock_formula_written_out():
    logits = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    labels = torch.randint(5, (2, 3, 4))
    labels[0, 0] = 255
    p = logits.sigmoid()
    own = F.one_hot(labels.where(labels < 5, 0), 5).permute(0, 3, 1, 2)
    focal = torch.where(own == 1, -((1 - p) ** 2) * p.log(), -(p**2) * (1 - p).log()) / 2
    expected = (focal * (labels < 5).unsqueeze(1)).sum() / focal.numel()
    torch.testing.assert_close(EagerFocalLoss()(logits, labels), expected)


def test_the_batch_is_seeded_and_some_of_it_ignored():
    settings = replace(SMALL, labels=(200, 320))
    (logits, samples), (again, _) = make_batch(settings), make_batch(settings)
    assert torch.equal(logits, again) and logits.shape == (2, 7, 9, 12)
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
    assert labels.shape == (2, 1, 200, 320)
    assert (labels == 255).float().mean() == pytest.approx(0.05, abs=0.005)
    assert labels.unique().tolist() == [*range(7), 255]


@pytest.mark.skipif(not STATUS.is_file(), reason='the system does not say')
def test_memory_counts_what_is_freed_again_and_not_what_was_there():
    there = torch.ones(25_000_000)
    assert peak_memory(lambda: there.add(1).sum(), 'cpu') == pytest.approx(100e6, rel=0.1)
    assert peak_memory(there.sum, 'cpu') < 5e6


def test_a_step_is_timed_for_a_while_and_at_least_once(monkeypatch):
    row = variants('cross-entropy', 'cpu', 'float32')[1]
    monkeypatch.setattr(loss_step, 'ROUND', 0)
    (timing,) = loss_step.time_steps(row, SMALL)
    assert 0 < timing.wall < 10 and timing.cpu > 0
    monkeypatch.setattr(loss_step, 'ROUND', 3 * timing.wall)
    assert len(loss_step.time_steps(row, SMALL)) > 1


@pytest.fixture
def benchmark(monkeypatch, capsys):
    """Runs the tool in this process; returns its status and what it printed."""

    def benchmark(*words):
        monkeypatch.setattr(sys, 'argv', [TOOL, 'loss', *map(str, words)])
        status = 0
        try:
            runpy.run_path(TOOL, run_name='__main__')
        except SystemExit as end:
            status = end.code or 0
        return status, *capsys.readouterr()

    return benchmark


@pytest.mark.slow
def test_the_tool_measures_prints_and_writes(benchmark, monkeypatch, tmp_path):
    """With a wrong loss alone, as each variant has to import all of MMSegmentation."""
    smooth = ((losses.CrossEntropyLoss, dict(label_smoothing=0.01)),)
    wrong = Variant('wrong', FCNHead, smooth, agrees=True)
    stock, _ = COMPARISONS['cross-entropy']
    monkeypatch.setitem(COMPARISONS, 'cross-entropy', (stock, (wrong,)))
    options = '--losses cross-entropy --classes 7 --logits 16 24 --labels 64 --repeats 2'
    file = tmp_path / 'loss.json'
    status, out, _ = benchmark(*options.split(), '--threads', 1, '--out', file)
    assert isinstance(status, str) and status.startswith("cross-entropy: 'wrong' is not what stock")
    assert '2 images, 7 classes' in out and 'wrong' in out
    found = json.loads(file.read_text())
    assert found['settings']['logits'] == [16, 24] and found['settings']['labels'] == [64, 64]
    assert found['faults'] == [status] and found['machine']['versions']['torch'] and found['device']
    rows = found['comparisons']['cross-entropy']
    assert list(rows) == ['stock', 'wrong'] and rows['wrong']['agrees'] is False
    assert rows['wrong']['terms'].keys() == {'loss_ce', 'acc_seg'}
    speed = rows['stock']['wall_seconds'] / rows['wrong']['wall_seconds']
    assert rows['wrong']['speed'] == pytest.approx(speed) and rows['wrong']['cpu_seconds'] > 0
    if STATUS.is_file():
        bytes_needed = rows['wrong']['peak_mb'] * 1e6
        assert rows['wrong']['images_per_gib'] == pytest.approx(2 * 2**30 / bytes_needed)


@pytest.mark.parametrize(
    'words, message',
    [
        ('--labels 0', 'argument --labels: needs at least 1, got 0'),
        ('--logits 1 2 3', 'error: --logits takes height and width, or one number for both'),
        ('--classes 256', 'error: --classes 256: take 2 to 255'),
        ('--losses dice', "invalid choice: 'dice'"),
    ],
)
def test_bad_arguments_are_named(benchmark, words, message):
    status, _, error = benchmark(*words.split())
    assert status == 2 and message in error


def test_the_tool_offers_all_there_is():
    tool = runpy.run_path(TOOL)
    assert tool['LOSSES'] == list(COMPARISONS) and tool['TRAINED_LOSSES'] == list(TRAINED)


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
def test_a_gpu_that_is_not_there(benchmark):
    status, _, error = benchmark('--device', 'cuda')
    assert status == 2 and error.startswith('error: --device cuda: PyTorch')
    assert error.count('\n') == 1 and 'take --device cpu' in error


def test_too_little_memory_is_said_in_one_line():
    class Pool:
        def submit(self, *_):
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 9.00 GiB.\nmore')

    row = variants('focal-dice', 'cpu', 'float32')[0]
    with pytest.raises(loss.UsageError, match='stock: CUDA out of .* take fewer --images'):
        loss._ask({row: Pool()}, first_step, row)
