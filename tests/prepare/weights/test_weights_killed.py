from pathlib import Path

import pytest
import torch
from killing import survive_kills

from mmseg_ext.prepare.weights.cli import convert_to_mmseg
from mmseg_ext.prepare.weights.mit import SIZES
from mmseg_ext.prepare.weights.names import SHARES
from mmseg_ext.prepare.weights.source import read_source


def make_tree(folder: Path):
    """A MiT-B0 under the authors' names."""
    torch.manual_seed(0)
    weights = {}
    for entry in SIZES['MiT-B0'].entries('nvidia'):
        shape = [size for size in entry.shape if size > 1 or 'layers.1.weight' in entry.name]
        for name, share in zip(entry.sources, SHARES[len(entry.sources)], strict=True):
            rows = shape[0] * share // sum(SHARES[len(entry.sources)])
            weights[name] = torch.randn(rows, *shape[1:])
    torch.save(weights, folder / 'mit_b0.pth')
    return folder / 'mit_b0.pth', folder / 'out' / 'b0.pth'


def convert(src, dst):
    convert_to_mmseg(read_source(src), dst, ['nvidia'], backbone_only=False, force=False)


@pytest.mark.parametrize('kills', [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_rerun_after_kills_ends_right(tmp_path, kills):
    survive_kills(convert, make_tree, tmp_path, kills)
