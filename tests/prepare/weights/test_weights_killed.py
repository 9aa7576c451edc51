import pytest
import torch
from killing import survive_kills

from mmseg_ext.prepare.weights.writing import write_weights


def make_tree(folder):
    """As many numbers as a MiT-B0 has."""
    torch.manual_seed(0)
    weights = {f'layers.{index}.weight': torch.randn(40000) for index in range(83)}
    torch.save(weights, folder / 'b0.bin')
    return folder / 'b0.bin', folder / 'out' / 'b0.pth'


def convert(src, dst):
    """What every converter does with the disk; importing all of one would take longer than that."""
    write_weights(dst, torch.load(src), dict(network='MiT-B0'))


@pytest.mark.slow
def test_a_rerun_after_twenty_kills_ends_right(tmp_path):
    survive_kills(convert, make_tree, tmp_path, kills=20)
