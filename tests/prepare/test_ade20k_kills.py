"""In a file of its own: the processes that are killed import it, and should import no more."""

import pytest
from ade20k_trees import random_sizes, write_2021
from killing import survive_kills

from mmseg_ext.prepare.ade20k_full import convert


def make_release(folder):
    write_2021(folder / 'full', random_sizes(24))
    return folder / 'full', folder / 'out'


def convert_in_two(full, out):
    convert(full, out, 2, max_short_side=32)


def test_a_conversion_that_is_killed_ends_right_after_a_rerun(tmp_path):
    survive_kills(convert_in_two, make_release, tmp_path, kills=2)


@pytest.mark.slow
def test_a_conversion_survives_twenty_kills(tmp_path):
    survive_kills(convert_in_two, make_release, tmp_path, kills=20, seed=1)
