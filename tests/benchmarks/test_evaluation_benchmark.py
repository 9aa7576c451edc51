from dataclasses import replace

import pytest
import torch

from mmseg_ext.benchmarks import evaluation
from mmseg_ext.benchmarks.commands import Timing
from mmseg_ext.benchmarks.evaluation_report import print_evaluation
from mmseg_ext.benchmarks.evaluation_step import Settings, first_labels
from mmseg_ext.engine.errors import UsageError

SMALL = Settings(9, (64, 80), 'cpu', threads=1)


def describe(mode, kind, change=None):
    """A row of the comparison, in this process, with made times."""
    labels = {name: torch.from_numpy(first_labels(name, SMALL, mode, kind)[0]) for name in WAYS}
    if change:
        labels['mmseg_ext'][:change] += 1
    timings = {name: [Timing(wall, wall)] for name, wall in WAYS.items()}
    return evaluation.describe(mode, kind, SMALL, labels, dict(stock=50, mmseg_ext=5), timings)


WAYS = dict(stock=3.0, mmseg_ext=1.5)


@pytest.mark.parametrize('mode', ['whole', 'slide', 'tta'])
@pytest.mark.parametrize('kind', ['network', 'noise'])
def test_ours_has_the_labels_of_stock(mode, kind):
    row = describe(mode, kind)
    assert evaluation.find_faults(row) == [] and row['classes_found'] > 1
    assert (row['speed'], row['memory']) == (2, 10)


def test_other_labels_are_a_fault(capsys):
    row = describe('whole', 'noise', change=1)
    assert row['different'] == pytest.approx(1 / 64)
    (fault,) = evaluation.find_faults(row)
    assert '1.56% of the labels are not those of stock' in fault
    settings = dict(classes=9, size=(64, 80), device='cpu', threads=1)
    print_evaluation(dict(settings=settings, device='a CPU', rows=[row]))
    assert '1.6e-02 differ' in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_device_that_is_not_there_is_named():
    with pytest.raises(UsageError, match='sees no GPU here'):
        evaluation.compare(replace(SMALL, device='cuda'), [('whole', 'noise')], 1)
