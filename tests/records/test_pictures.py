import numpy as np
from PIL import Image

from mmseg_ext.records.pictures import IGNORED_COLOUR, Picture, colour_mask, draw_sheet

PALETTE = [[10, 20, 30], [200, 0, 0]]


def test_every_class_gets_its_colour_and_the_rest_is_ignored():
    label = np.array([[0, 1], [255, 2]], dtype=np.uint8)
    assert colour_mask(label, PALETTE).tolist() == [
        [[10, 20, 30], [200, 0, 0]],
        [list(IGNORED_COLOUR), list(IGNORED_COLOUR)],
    ]


def test_a_sheet_shows_prediction_in_its_colour_and_leaves_a_missing_truth_white(tmp_path):
    image = np.full((40, 60, 3), 90, dtype=np.uint8)
    ones = np.ones((40, 60), dtype=np.int64)
    path = tmp_path / 'sheet.png'
    draw_sheet(path, [Picture('a.jpg', image, None, ones)], ['road', 'car'], PALETTE, title='t')
    sheet = np.array(Image.open(path).convert('RGB'))
    row = sheet[sheet.shape[0] // 2]
    thirds = [row[row.shape[0] * part // 6].tolist() for part in (1, 3, 5)]
    assert thirds == [[90, 90, 90], [255, 255, 255], PALETTE[1]]
    assert sorted(file.name for file in tmp_path.iterdir()) == ['sheet.png']
