import numpy as np
import pytest
from matplotlib.figure import Figure

from mmseg_ext.records.class_curves import draw_classes
from mmseg_ext.records.curve_panels import pick_colours
from mmseg_ext.records.loss_curves import draw_losses, running_mean, sum_layers
from mmseg_ext.records.run_history import RunHistory


def validation(epoch, **shares):
    return dict(epoch=epoch, iter=22 * epoch, metrics=dict(mIoU=1.0), per_class=dict(IoU=shares))


def test_a_running_mean_keeps_a_line_to_both_ends():
    line = np.arange(20.0)
    for length in (1, 2, 3, 10, 100):
        assert running_mean(line, length) == pytest.approx(line)
    assert running_mean([3.0], 10).tolist() == [3.0]
    assert running_mean([0, 3, 0, 3, 0], 3).tolist() == pytest.approx([0, 1, 2, 1, 0])


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_running_mean_goes_on_after_what_is_no_number(value):
    values = np.ones(9)
    values[4] = value
    assert running_mean(values, 3).tolist() == [1.0] * 9
    assert np.isnan(running_mean(values, 1)).tolist() == [place == 4 for place in range(9)]


def test_terms_of_layers_are_summed_where_there_are_many():
    layers = ['', *(f'd{index}.' for index in range(9))]
    terms = {f'decode.{layer}loss_{kind}': 0.5 for layer in layers for kind in ('cls', 'mask')}
    lines = [dict(terms, loss=10.0, step=1)]
    summed = {'decode.loss_cls': 5.0, 'decode.loss_mask': 5.0, 'loss': 10.0, 'step': 1}
    assert sum_layers(lines) == [summed]
    few = [{'loss': 1.0, 'decode.d0.loss_cls': 0.5, 'decode.loss_cls': 0.5}]
    assert sum_layers(few) == few


def test_no_colour_stands_for_two_lines():
    for count in (1, 12, 20, 40):
        colours = pick_colours(count)
        assert len({tuple(colour) for colour in colours}) == len(colours) == count
    terms = {f'decode.loss_{index}': 1.0 for index in range(12)}
    entry = dict(validation(1), metrics={'val_loss': 1.0})
    axes = Figure().add_subplot()
    draw_losses(axes, RunHistory('run', [dict(terms, loss=12.0, step=1)], [entry]))
    lines = axes.get_lines()
    assert len({line.get_color() for line in lines}) == len(lines) == 14
    assert axes.get_legend().get_bbox_to_anchor().x0 >= axes.bbox.x1 - 1, 'covers the curves'


def test_an_absent_class_is_grey_and_named_so():
    axes = Figure().add_subplot()
    entries = [validation(1, sky=0.5, boat=None), validation(2, sky=0.6, boat=None)]
    draw_classes(axes, entries, ['sky', 'boat'])
    shown = {line.get_label(): line.get_color() for line in axes.get_lines()}
    assert set(shown) == {'sky 60.0', 'boat (absent)'}
    assert shown['boat (absent)'] == 'lightgrey' != shown['sky 60.0']


def test_the_length_of_an_epoch():
    assert RunHistory('run', [], [validation(1), validation(4)]).epoch_length == 22
    assert RunHistory('run', [], []).epoch_length is None
    by_iteration = [validation(4) | dict(epoch=epoch) for epoch in (0, None)]
    assert RunHistory('run', [], by_iteration).epoch_length is None
