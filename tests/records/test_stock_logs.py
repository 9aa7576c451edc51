import math

import pytest
from run_logs import write_stock_run

from mmseg_ext.records.stock_logs import read_stock_validations, read_tables


@pytest.mark.parametrize('by_epoch', [True, False])
def test_validations_of_a_stock_run(tmp_path, by_epoch):
    entries = read_stock_validations(write_stock_run(tmp_path, by_epoch))
    assert [entry['epoch'] for entry in entries] == ([4, 8] if by_epoch else [None, None])
    assert [entry['iter'] for entry in entries] == [88, 176]
    assert entries[1]['metrics'] == dict(aAcc=80.0, mIoU=40.0, mAcc=30.0)
    iou = entries[1]['per_class']['IoU']
    assert (iou['sky'], iou['traffic light']) == (0.72, 0.08) and math.isnan(iou['boat'])
    assert entries[0]['per_class']['Acc']['sky'] == pytest.approx(0.9833)


def test_a_run_by_iterations_that_logs_by_epoch_stays_in_epoch_0(tmp_path):
    scalars = write_stock_run(tmp_path, by_epoch=False) / '20261121_170346/vis_data/scalars.json'
    text = scalars.read_text().replace('"time": 0.2, "step": 88', '"time": 0.2, "step": 0')
    scalars.write_text(text.replace('"time": 0.2, "step": 176', '"time": 0.2, "step": 0'))
    entries = read_stock_validations(tmp_path)
    assert [(entry['epoch'], entry['iter']) for entry in entries] == [(None, 86), (None, 174)]


def test_a_resumed_run_replaces_what_it_validated_again(tmp_path):
    write_stock_run(tmp_path, epochs=(4, 6))
    write_stock_run(tmp_path, start='20261122_000000', epochs=(2, 3))
    assert [entry['iter'] for entry in read_stock_validations(tmp_path)] == [44, 66]


def test_a_table_of_a_validation_that_was_cut_off_is_nobodys(tmp_path):
    log = (write_stock_run(tmp_path) / '20261121_170346/20261121_170346.log').read_text()
    first = log.index('Epoch(val)')
    # killed between the table and the line of means, then validated again
    again = log[:first] + 'cut off\n' + log[log.index('per class') - 40 :]
    # nan equals nothing, itself included
    assert str(read_tables(again)) == str(read_tables(log))


def test_without_the_log_there_are_means_alone(tmp_path):
    """At the last logged step, since nothing says how long an epoch is."""
    (write_stock_run(tmp_path) / '20261121_170346/20261121_170346.log').unlink()
    entries = read_stock_validations(tmp_path)
    assert [(entry['iter'], entry['per_class']) for entry in entries] == [(86, {}), (174, {})]


def test_a_folder_of_tests_has_no_validations(tmp_path):
    folder = tmp_path / '20260101_000000/vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('{"mIoU": 50.0, "step": 1}\n')
    assert read_stock_validations(tmp_path) == []
