import json
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_ext.records import worst as worst_module
from mmseg_ext.records.comparison import score_image
from mmseg_ext.records.worst import WorstImages, write_worst

CLASSES = ['road', 'Car/van', 'car van', 'never']
PALETTE = [[0, 0, 200], [0, 200, 0], [200, 0, 0], [9, 9, 9]]


def made_image(rng):
    truth = rng.integers(0, 3, (8, 10))
    truth[0, 0] = 255
    prediction = np.where(rng.random((8, 10)) < rng.random(), truth, rng.integers(0, 4, (8, 10)))
    return truth, np.where(prediction == 255, 3, prediction)


def add(worst, name, truth, prediction):
    scores = score_image(torch.tensor(prediction), torch.tensor(truth), 4, 255)
    worst.add(name, scores, truth, prediction)
    return scores


def collected(rng, folder, numbers, num_images=3, chosen=(0, 1, 2, 3)):
    worst, scores, labels = WorstImages(num_images, chosen), {}, {}
    for number in numbers:
        name = str(folder / f'{number:02d}.png')
        labels[name] = made_image(rng)
        scores[name] = add(worst, name, *labels[name])
    return worst, scores, labels


def test_they_are_those_with_the_lowest_iou_among_images_that_have_the_class(tmp_path):
    worst, scores, _ = collected(np.random.default_rng(0), tmp_path, range(40))
    truth, prediction = np.zeros((8, 10), int), np.ones((8, 10), int)
    add(worst, 'only false alarms', truth, prediction)
    scores['only false alarms'] = score_image(torch.tensor(prediction), torch.tensor(truth), 4, 255)
    for index in range(3):
        having = {name: each for name, each in scores.items() if each.truth[index]}
        expected = sorted(having, key=lambda name: (having[name].iou[index], name))[:3]
        assert [each.image for each in worst.candidates[index]] == expected
    assert 3 not in worst.candidates
    first = worst.candidates[1][0]
    assert first.missed == scores[first.image].missed[1]
    assert first.false_alarms == scores[first.image].false_alarms[1]


def test_of_equals_the_one_with_most_of_the_class_is_worse():
    worst = WorstImages(1, [1])
    for name, pixels in (('a', 2), ('b', 5), ('c', 3)):
        truth = np.zeros((8, 10), int)
        truth[0, :pixels] = 1
        add(worst, name, truth, truth * 0)
    assert [each.image for each in worst.candidates[1]] == ['b']


def test_only_the_labels_of_candidates_are_kept_and_come_back_as_they_were(tmp_path):
    worst, _, labels = collected(np.random.default_rng(1), tmp_path, range(40), num_images=2)
    used = {each.image for found in worst.candidates.values() for each in found}
    assert set(worst.labels) == used and len(used) <= 6
    for image in used:
        for got, given in zip(worst.labels_of(image), labels[image], strict=True):
            np.testing.assert_array_equal(got, given)
    truth = np.full((3, 4), 300)
    worst = WorstImages(1, [300])
    scores = score_image(torch.tensor(truth), torch.tensor(truth), 301, 999)
    worst.add('many classes', scores, truth, truth)
    assert (worst.labels_of('many classes')[0] == 300).all()


def test_several_processes_find_what_one_does_although_the_sampler_pads(tmp_path):
    one, _, _ = collected(np.random.default_rng(2), tmp_path, range(21))
    rng = np.random.default_rng(2)
    parts = [WorstImages(3, (0, 1, 2, 3)) for _ in range(2)]
    for number in range(21):
        labels = made_image(rng)
        # the worst, which padding may double, among them
        for part in parts if number % 3 else parts[:1]:
            add(part, str(tmp_path / f'{number:02d}.png'), *labels)
    merged = WorstImages(3, (0, 1, 2, 3))
    merged.merge(parts)
    assert merged.candidates == one.candidates and merged.labels == one.labels


def test_sheets_and_summary(tmp_path):
    worst, _, labels = collected(np.random.default_rng(3), tmp_path, range(9), chosen=(0, 1, 2, 3))
    for name in labels:
        Image.fromarray(np.full((8, 10, 3), 90, np.uint8)).save(name)
    write_worst(tmp_path / 'new/worst', worst, CLASSES, PALETTE, 255)
    # two names that would become one; the class without an image has no sheet
    files = sorted(file.name for file in (tmp_path / 'new/worst').iterdir())
    assert files == ['Car_van.png', 'car_van_2.png', 'road.png', 'worst.json']
    summary = json.loads((tmp_path / 'new/worst/worst.json').read_text())
    assert list(summary['classes']) == CLASSES
    assert summary['classes']['never'] == dict(sheet=None, images=[])
    first = summary['classes']['road']['images'][0]
    candidate = worst.candidates[0][0]
    assert first['image'] == candidate.image and first['IoU'] == pytest.approx(candidate.iou)
    sheet = Image.open(tmp_path / 'new/worst/road.png')
    assert sheet.width > 4 * 400 and sheet.height > 3 * 320


@pytest.mark.parametrize(
    ('truth', 'title', 'legend'),
    [
        ([[0, 0]], 'road: the image with the lowest IoU', ['road', 'found']),
        ([[0, 255], [1, 0]], 'road: the image with the lowest IoU',
         ['road', 'Car/van', 'ignored', 'false alarm', 'found']),
    ],
)  # fmt: skip
def test_a_sheet_names_what_occurs_in_it(tmp_path, monkeypatch, truth, title, legend):
    compose = Mock(wraps=worst_module.compose)
    monkeypatch.setattr(worst_module, 'compose', compose)
    truth, image = np.array(truth), str(tmp_path / 'a.png')
    Image.fromarray(np.zeros((*truth.shape, 3), np.uint8)).save(image)
    worst = WorstImages(3, [0])
    add(worst, image, truth, truth * 0)
    write_worst(tmp_path / 'worst', worst, CLASSES, PALETTE, 255)
    (call,) = compose.call_args_list
    assert call.args[1] == title and list(call.args[2]) == legend
