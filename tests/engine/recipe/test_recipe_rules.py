import math

import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.recipe.rules import (
    Setup,
    check_positive,
    choose_setup,
    convert_length,
    is_adaptive,
    linear_rate,
    square_root_rate,
)


def test_published_numbers():
    # Goyal et al. 2017, section 2.1 and table 1: 0.1 at 256 images is 3.2 at 8192
    assert linear_rate(0.1, 256, 8192) == pytest.approx(3.2)
    assert linear_rate(0.01, 16, 2 * 4) == 0.005
    # Krizhevsky 2014, section 3: k times the batch, sqrt(k) times the rate
    assert square_root_rate(6e-5, 16, 64) == pytest.approx(1.2e-4)
    assert convert_length(10582, 16, iterations=160000).epochs == pytest.approx(241.92, abs=0.005)
    assert convert_length(20210, 16, iterations=160000).epochs == pytest.approx(126.67, abs=0.005)


def test_lengths_go_back_and_forth():
    epochs = convert_length(10582, 18, epochs=200)
    assert epochs.iterations == 200 * 588 and epochs.samples == 200 * 10582
    back = convert_length(10582, 18, iterations=round(epochs.iterations))
    assert math.ceil(back.epochs) == pytest.approx(epochs.epochs, rel=0.01)


@pytest.mark.parametrize(
    ('optimizer', 'adaptive'),
    [('AdamW', True), ('Adam', True), ('RMSprop', True), ('SGD', False), ('LARS', False)],
)
def test_which_rule_is_for_which_optimizer(optimizer, adaptive):
    assert is_adaptive(optimizer) == adaptive


@pytest.mark.parametrize(
    ('total', 'gpus', 'largest', 'expected'),
    [
        (18, 1, 6, (1, 6, 3)),  # 3xb6 on one GPU
        (18, 2, 6, (2, 3, 3)),  # 12 does not divide 18, 6 does
        (16, 4, 16, (4, 4, 1)),
        (16, 1, 4, (1, 4, 4)),
        (18, 4, 6, (4, 5, 1)),  # 16 and 20 are as near: the larger batch a GPU
        (14, 2, 2, (2, 2, 4)),  # one image alone would do, but not for BatchNorm
        (3, 1, 1, (1, 1, 3)),
        (4, 8, 4, (8, 2, 1)),
        (16, 8, 8, (8, 2, 1)),  # more fits on a GPU than is wanted
        (18, 1, 4, (1, 3, 6)),
    ],
)
def test_a_batch_is_put_together(total, gpus, largest, expected):
    assert choose_setup(total, gpus, largest) == expected


def test_a_batch_is_exact_wherever_that_is_possible():
    for total in range(2, 49):
        for gpus in range(1, 9):
            for largest in range(2, 9):
                chosen = choose_setup(total, gpus, largest)
                possible = [size for size in range(2, largest + 1) if total % (gpus * size) == 0]
                assert chosen.gpus == gpus and chosen.batch <= largest
                if possible:
                    assert chosen == Setup(gpus, max(possible), total // gpus // max(possible))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (dict(epochs=1, iterations=2), 'one length'),
        ({}, 'one length'),
        (dict(epochs=1, batch=9), '--batch 9 is more than the 8'),
    ],
)
def test_bad_lengths(given, message):
    with pytest.raises(UsageError, match=message):
        convert_length(**{'images': 8, 'batch': 2, **given})


@pytest.mark.parametrize('value', [0, -1, math.inf, math.nan])
def test_numbers_are_above_zero(value):
    check_positive(gpus=1, of_gpus=None)
    with pytest.raises(UsageError, match=r'--of-gpus \S+ is not a number above 0'):
        check_positive(gpus=1, of_gpus=value)
