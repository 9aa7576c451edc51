import csv
import runpy
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.confusion import (
    draw_confusion,
    read_confusion,
    strongest_confusions,
    write_confusion,
)
from mmseg_ext.records.per_class import write_per_class

CLASSES = ('road', 'car', 'bed ', 'never')
CONFUSION = np.array([[90, 10, 0, 0], [30, 10, 0, 0], [0, 1, 9, 0], [0, 0, 0, 0]])


@pytest.fixture
def npz(tmp_path):
    write_confusion(tmp_path / 'confusion.npz', CONFUSION, CLASSES)
    return tmp_path / 'confusion.npz'


def test_a_matrix_comes_back_as_it_was_written(npz):
    confusion, classes = read_confusion(npz)
    assert np.array_equal(confusion, CONFUSION) and confusion.dtype == np.int64
    assert tuple(classes) == CLASSES
    assert [path.name for path in npz.parent.iterdir()] == ['confusion.npz']


def test_the_strongest_by_pixels():
    assert strongest_confusions(CONFUSION, CLASSES, 9) == [
        ('car', 'road', 30 / 40, 30 / 150),
        ('road', 'car', 10 / 100, 10 / 150),
        ('bed', 'car', 1 / 10, 1 / 150),
    ]
    assert len(strongest_confusions(CONFUSION, CLASSES, 1)) == 1


def texts(monkeypatch, *args, **kwargs):
    """What a picture says, and its size."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    drawn = []
    save = Figure.savefig

    def savefig(figure, *args, **kwargs):
        drawn.extend(text.get_text() for text in figure.findobj(Text) if text.get_visible())
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, 'savefig', savefig)
    draw_confusion(*args, **kwargs)
    return drawn


def test_rows_are_shares_with_numbers_from_one_percent_on(monkeypatch, tmp_path):
    confusion = CONFUSION.copy()
    confusion[0, 2] = 1  # 1 of 101: less than 1 %
    said = texts(monkeypatch, tmp_path / 'a.png', confusion, CLASSES, 'the title')
    assert sorted(text for text in said if text.isdigit()) == sorted(
        ['89', '10', '75', '25', '10', '90']
    )
    assert 'the title' in said and said.count('never') == 2
    (listed,) = (text for text in said if 'car > road' in text)
    assert ' 75.0%  19.87%  car > road' in listed


def test_a_large_matrix_has_room_for_its_names(monkeypatch, tmp_path):
    classes = [f'class {number}' for number in range(60)]
    said = texts(monkeypatch, tmp_path / 'a.png', np.eye(60, dtype=int), classes)
    assert not [text for text in said if text.isdigit()]
    assert all(said.count(name) == 2 for name in classes)
    width, height = Image.open(tmp_path / 'a.png').size
    # 6 points a name at 110 dots an inch
    assert min(width, height) > 60 * 6 / 72 * 110


def test_many_hundreds_of_classes_have_numbers_and_the_list_of_confusions(monkeypatch, tmp_path):
    classes = [f'class {number}' for number in range(600)]
    confusion = np.eye(600, dtype=int)
    confusion[7, 500] = 3
    said = texts(monkeypatch, tmp_path / 'a.png', confusion, classes)
    assert not set(classes) & set(said)
    assert any('class 7 > class 500' in text for text in said)
    assert max(Image.open(tmp_path / 'a.png').size) < 4000


def run_tool(monkeypatch, *words):
    tool = str(ROOT / 'tools/analysis_tools/confusion.py')
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, words)])
    try:
        runpy.run_path(tool, run_name='__main__')
    except SystemExit as end:
        return end.code
    return 0


def test_the_tool_draws_a_saved_matrix(npz, monkeypatch, capsys):
    assert run_tool(monkeypatch, npz) == 0
    assert capsys.readouterr().out.strip() == str(npz.with_suffix('.png'))
    assert min(Image.open(npz.with_suffix('.png')).size) > 300
    npz.with_suffix('.png').unlink()
    assert run_tool(monkeypatch, npz.parent) == 0
    assert npz.with_suffix('.png').is_file()


def test_the_tool_draws_chosen_classes(npz, monkeypatch, tmp_path):
    said = texts(monkeypatch, tmp_path / 'a.png', CONFUSION, CLASSES, chosen=['bed', 'road'])
    assert sorted(text for text in said if text.isdigit()) == ['10', '10', '90', '90']
    assert '(others)' in said and 'car' not in said
    assert run_tool(monkeypatch, npz, '--out', tmp_path / 'b.png', '--classes', 'bed') == 0
    assert (tmp_path / 'b.png').is_file()


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['none.npz'], 'there is no none.npz; a validation or test writes confusion.npz'),
        (['{npz}', '--classes', 'raod'], "the data set has no class 'raod'; did you mean road?"),
        (['{npz}', '--out', 'x.jpg'], 'the name of a picture ends in .png'),
        ([__file__], 'holds no confusion matrix; name the confusion.npz of a run, or its folder'),
        ([str(ROOT)], f'there is no {ROOT}/confusion.npz; a validation or test writes'),
    ],
)
def test_bad_input_of_the_tool(npz, monkeypatch, capsys, words, said):
    assert run_tool(monkeypatch, *(word.format(npz=npz) for word in words)) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and said in error and error.count('\n') == 1


def test_a_matrix_of_another_size_than_its_classes(tmp_path):
    write_confusion(tmp_path / 'a.npz', CONFUSION, CLASSES[:3])
    with pytest.raises(UsageError, match=r'matrix \(4, 4\) for 3 classes'):
        read_confusion(tmp_path / 'a.npz')


def test_a_table_of_the_classes(tmp_path):
    scores = dict(IoU=dict(zip(CLASSES, (0.5, 0.25, 1.0, float('nan')), strict=True)))
    write_per_class(tmp_path / 'a.csv', scores, CONFUSION, CLASSES)
    rows = list(csv.reader((tmp_path / 'a.csv').open()))
    assert rows == [
        ['class', 'IoU', 'true_pixels', 'predicted_pixels'],
        ['road', '0.5', '100', '120'],
        ['car', '0.25', '40', '21'],
        ['bed ', '1.0', '10', '9'],
        ['never', 'nan', '0', '0'],
    ]
