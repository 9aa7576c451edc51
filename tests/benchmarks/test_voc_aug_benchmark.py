import os
import sys

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.benchmarks import voc_aug
from mmseg_ext.benchmarks.commands import Timing, fastest, time_command
from mmseg_ext.benchmarks.voc_aug import NEW, STOCK, compare
from mmseg_ext.benchmarks.voc_aug_tree import draw_outlines, write_tree
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.sbd_mat import read_sbd_labels


def test_both_commands_make_the_same_of_one_tree():
    try:
        voc_aug.find_stock_script()
    except UsageError as error:
        pytest.skip(str(error))
    result = compare(num_mats=30, num_processes=2, repeats=1)
    assert result['same_pixels'] and result['same_lists']
    stock, ours = (result['timings'][name] for name in (STOCK, NEW))
    assert result['speed'] == stock['wall_seconds'] / ours['wall_seconds']
    assert 0.1 < ours['cpu_seconds'] < 2 * ours['wall_seconds']


def test_another_pixel_is_seen(tmp_path):
    pictures = [np.zeros((4, 5), np.uint8) for _ in range(3)]
    pictures[2][1, 2] = 1
    files = [tmp_path / f'{number}.png' for number in range(4)]
    for picture, file in zip(pictures, files, strict=False):
        Image.fromarray(picture).save(file)
    first, same, other, missing = files
    assert voc_aug._is_same((first, same))
    assert not voc_aug._is_same((first, other)) and not voc_aug._is_same((first, missing))


def test_cpu_time_of_a_childs_children_counts():
    work = 'sum(range(4_000_000))'
    command = f'import subprocess, sys; subprocess.run([sys.executable, "-c", "{work}"])'
    busy = time_command([sys.executable, '-c', command])
    idle = time_command([sys.executable, '-c', 'import time; time.sleep(0.5)'])
    assert busy.cpu > idle.cpu + 0.03
    assert idle.wall >= 0.5 and idle.cpu_share(1) < 0.9


def test_what_the_machine_leaves_idle_is_a_share():
    timing = time_command([sys.executable, '-c', 'import time; time.sleep(0.3)'])
    assert timing.idle_share is None or 0 <= timing.idle_share <= 1.1
    cores = os.cpu_count()
    assert Timing(wall=2, cpu=1, idle=cores).idle_share == 0.5
    assert Timing(wall=2, cpu=1).idle_share is None


def test_a_command_that_fails_is_an_error_with_its_output():
    with pytest.raises(UsageError, match='failed: no such thing'):
        time_command([sys.executable, '-c', 'import sys; sys.exit("no such thing")'])


def test_the_fastest_round_counts():
    assert fastest([Timing(3, 1), Timing(2, 5), Timing(4, 0)]) == Timing(2, 5)


def test_the_tree_has_masks_of_real_size_and_many_different_ones(tmp_path):
    num_trainaug = write_tree(tmp_path, 100)
    mats = sorted((tmp_path / 'benchmark_RELEASE/dataset/cls').iterdir())
    assert len(mats) == 100 and len({mat.read_bytes() for mat in mats}) == 60
    assert num_trainaug == 93
    labels = read_sbd_labels(mats[0])
    assert labels.shape == (375, 500) and labels.max() <= 20
    shares = [np.mean(draw_outlines(np.random.default_rng(seed)) > 0) for seed in range(40)]
    assert 0.1 < np.mean(shares) < 0.5
