"""In a file of its own: the processes that are killed import it, and should import no more."""

import pytest
from coco_trees import write_coco
from killing import survive_kills

from mmseg_ext.prepare.coco_voc import convert

pytest.importorskip('pycocotools')


def make_coco(folder):
    root = write_coco(folder / 'coco', number=40)
    return root, folder / 'out'


def convert_in_two(coco, out):
    convert(coco, out, 2, min_pixels=200)


def test_a_conversion_that_is_killed_ends_right_after_a_rerun(tmp_path):
    survive_kills(convert_in_two, make_coco, tmp_path, kills=2)


@pytest.mark.slow
def test_a_conversion_survives_twenty_kills(tmp_path):
    survive_kills(convert_in_two, make_coco, tmp_path, kills=20, seed=1)
