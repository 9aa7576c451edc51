import numpy as np
import pytest
import torch

from mmseg_ext.records import comparison
from mmseg_ext.records.comparison import (
    DIM,
    FALSE_ALARM,
    FOUND,
    MISSED,
    WRONG,
    ImageScores,
    draw_class_errors,
    draw_comparison,
    draw_difference,
    fit_image,
    score_image,
)
from mmseg_ext.records.pictures import Picture

TRUTH = np.array([[0, 0, 1], [1, 1, 255]])
PREDICTION = np.array([[0, 1, 1], [1, 0, 0]])
IMAGE = np.full((2, 3, 3), 100, np.uint8)
DIMMED = [int(100 * DIM)] * 3


def scores(num_classes=3):
    return score_image(torch.tensor(PREDICTION), torch.tensor(TRUTH), num_classes, 255)


def test_the_scores_of_an_image_by_hand():
    found = scores()
    # class 0: 1 hit of 2 true and 2 predicted; class 1: 2 hits of 3 and 3; class 2 does not occur
    np.testing.assert_allclose(found.iou, [1 / 3, 2 / 4, np.nan])
    all_of_them, one = found.means(), found.means([1])
    assert all_of_them['aAcc'] == pytest.approx(60) and one['aAcc'] == pytest.approx(200 / 3)
    assert all_of_them['mIoU'] == pytest.approx(50 * (1 / 3 + 1 / 2))
    assert one['mIoU'] == 50 and np.isnan(found.means([2])['mIoU'])
    assert found.truth.tolist() == [2, 3, 0]
    assert found.missed.tolist() == [1, 1, 0] and found.false_alarms.tolist() == [1, 1, 0]


def test_an_image_without_a_pixel_that_counts_has_no_score():
    nothing = ImageScores(np.zeros((2, 2), np.int64))
    assert np.isnan([nothing.means()['aAcc'], nothing.means()['mIoU']]).all()


@pytest.mark.parametrize(('chosen', 'part'), [([0, 2], ' over 2 of 3 classes'), ([0, 1, 2], '')])
def test_the_title_says_which_classes_the_scores_are_over(monkeypatch, chosen, part):
    titles = []
    monkeypatch.setattr(comparison, 'compose', lambda rows, title, legend: titles.append(title))
    picture = Picture('a', IMAGE, TRUTH, PREDICTION)
    draw_comparison(picture, ['a', 'b', 'c'], [[0, 0, 0]] * 3, 255, scores(), chosen)
    mean_iou, accuracy = (33.33, 50.0) if part else (41.67, 60.0)
    assert titles == [f'a   mIoU {mean_iou:.2f}   accuracy {accuracy:.2f}{part}']


def test_the_difference_is_bright_where_wrong_and_dim_where_right():
    drawn = draw_difference(IMAGE, TRUTH, PREDICTION, 255).tolist()
    wrong = list(WRONG)
    assert drawn[0] == [DIMMED, wrong, DIMMED] and drawn[1][:2] == [DIMMED, wrong]
    assert drawn[1][2] != wrong  # ignored


def test_ignored_pixels_are_hatched():
    truth = np.full((40, 40), 255)
    drawn = draw_difference(np.full((40, 40, 3), 100, np.uint8), truth, truth * 0, 255)
    striped = (drawn != DIMMED).any(-1)
    assert 0.1 < striped.mean() < 0.5 and striped.any(0).all() and striped.any(1).all()


def test_the_errors_of_a_class():
    drawn = draw_class_errors(IMAGE, TRUTH, PREDICTION, 1, 255)
    assert drawn[0].tolist() == [DIMMED, list(FALSE_ALARM), list(FOUND)]
    assert drawn[1, :2].tolist() == [list(FOUND), list(MISSED)]


def test_parts_have_the_resolution_of_the_image_and_stand_where_the_headings_say():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3), np.uint8)
    truth = np.zeros((300, 400), int)
    prediction = np.ones((300, 400), int)
    palette = [[10, 20, 30], [200, 0, 100]]
    shown = draw_comparison(
        Picture('a', image, truth, prediction), ['road', 'car'], palette, 255,
        score_image(torch.tensor(prediction), torch.tensor(truth), 2, 255),
    )  # fmt: skip
    places = {
        name: np.argwhere((shown == colour).all(-1))
        for name, colour in dict(truth=palette[0], prediction=palette[1], wrong=WRONG).items()
    }
    # the largest patch of each colour; small ones are the legend's
    for name, top, left in (('truth', 0, 1), ('prediction', 1, 0), ('wrong', 1, 1)):
        inside = places[name][places[name][:, 0] < 2 * 300 + 70]
        assert len(inside) == 300 * 400
        height, width = inside.max(0) - inside.min(0) + 1
        assert (height, width) == (300, 400)
        assert (inside.min(0) > [300 * top, 400 * left]).all()
    overlay = np.round(0.5 * image + 0.5 * np.array(palette[1]))
    found = [
        column
        for column in range(20)
        for row in range(20, 80)
        if np.array_equal(shown[row : row + 300, column : column + 400], overlay)
    ]
    assert found


def test_without_truth_there_are_overlay_and_prediction():
    shown = draw_comparison(
        Picture('a', np.zeros((300, 400, 3), np.uint8), None, np.zeros((300, 400), int)),
        ['road'], [[10, 20, 30]], 255, None,
    )  # fmt: skip
    assert 300 < shown.shape[0] < 400 and 800 < shown.shape[1] < 850


def test_small_images_are_shown_large_enough_for_their_headings():
    shown = draw_comparison(
        Picture('a', np.zeros((32, 32, 3), np.uint8), None, np.zeros((32, 32), int)),
        ['road'], [[10, 20, 30]], 255, None,
    )  # fmt: skip
    assert shown.shape[1] > 640


def test_an_image_of_another_size_is_fitted_to_its_labels():
    assert fit_image(IMAGE, (4, 6)).shape == (4, 6, 3)
    assert fit_image(IMAGE, (2, 3)) is IMAGE
