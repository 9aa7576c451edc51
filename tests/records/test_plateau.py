import numpy as np
import pytest

from mmseg_ext.records.plateau import estimate_noise, find_plateau

STEPS = np.arange(1, 101) * 800


def test_a_score_that_stops_is_found_where_it_stops():
    scores = np.minimum(np.arange(100.0), 40.0)
    plateau = find_plateau(STEPS, scores)
    assert (plateau.index, plateau.tolerance, plateau.is_rising) == (40, 0.5, False)


@pytest.mark.parametrize('noise', [0.1, 0.5, 1.0])
def test_noise_does_not_move_the_place_far(noise):
    """A running maximum alone would go on to some lucky validation near the end."""
    clean = np.minimum(np.arange(100.0), 40.0)
    places = []
    for seed in range(30):
        scores = clean + np.random.default_rng(seed).normal(0, noise, 100)
        plateau = find_plateau(STEPS, scores)
        assert not plateau.is_rising
        places.append(plateau.index)
    assert 38 <= np.median(places) <= 46
    assert np.mean(np.array(places) < 70) > 0.85


def test_a_late_rise_after_a_rest_counts():
    scores = np.where(np.arange(100) < 60, 30.0, 35.0)
    assert find_plateau(STEPS, scores).index == 60


def test_a_score_that_falls_stopped_rising_at_its_best():
    scores = np.concatenate([np.arange(50.0), 49 - np.arange(50.0) / 5])
    assert find_plateau(STEPS, scores).index == 49


@pytest.mark.parametrize('length', [4, 100])
def test_a_score_that_rises_to_the_end_has_not_stopped(length):
    assert find_plateau(STEPS[:length], np.arange(float(length))).is_rising


def test_too_few_validations_cannot_say_that_a_score_stopped():
    scores = [10.0, 20.0, 30.0, 30.0, 30.0]
    assert find_plateau(STEPS[:5], scores).is_rising
    assert not find_plateau(STEPS[:6], [*scores, 30.0]).is_rising


@pytest.mark.parametrize('count', [0, 1, 3])
def test_few_scores_say_nothing(count):
    assert find_plateau(STEPS[:count], [30.0] * count) is None


def test_the_noise_of_a_trend_is_the_noise_around_it():
    rng = np.random.default_rng(0)
    trend = 0.3 * np.arange(400)
    assert estimate_noise(trend) == pytest.approx(0, abs=1e-9)
    assert estimate_noise(trend + rng.normal(0, 2, 400)) == pytest.approx(2, rel=0.2)
