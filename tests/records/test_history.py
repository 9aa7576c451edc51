import json

from mmseg_ext.records.history import best_of, read_scalars


def write_log(work_dir, start, steps, loss, tail=''):
    folder = work_dir / start / 'vis_data'
    folder.mkdir(parents=True)
    lines = [json.dumps({'loss': loss, 'step': step}) for step in steps]
    lines.append(json.dumps({'mIoU': 50.0, 'step': 1}))  # a validation's line
    (folder / 'scalars.json').write_text('\n'.join(lines) + '\n' + tail)


def test_a_resumed_run_replaces_what_it_did_again(tmp_path):
    write_log(tmp_path, '20260101_000000', [10, 20, 30], loss=1.0, tail='{"loss": 0.5, "st')
    write_log(tmp_path, '20260102_000000', [30, 40], loss=2.0)
    seen = [(line['step'], line['loss']) for line in read_scalars(tmp_path)]
    assert seen == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0)]


def test_a_test_run_in_between_changes_nothing(tmp_path):
    write_log(tmp_path, '20260101_000000', [10], loss=1.0)
    write_log(tmp_path, '20260102_000000', [], loss=0.0)
    assert [line['step'] for line in read_scalars(tmp_path)] == [10]


def test_an_earlier_run_in_the_same_folder_is_left_out(tmp_path):
    write_log(tmp_path, '20260101_000000', [10], loss=1.0)
    write_log(tmp_path, '20260102_000000', [20], loss=2.0)
    (tmp_path / 'metrics.json').write_text('{"started": "20260102_000000", "validations": []}')
    assert [line['step'] for line in read_scalars(tmp_path)] == [20]


def test_best_of():
    entries = [{'metrics': {'mIoU': value}} for value in (1.0, 3.0, None, 2.0)]
    assert best_of([{'metrics': {}}, *entries])['metrics']['mIoU'] == 3.0
    assert best_of([{'metrics': {'mDice': 1.0}}]) is None


def test_a_folder_without_logs_gives_nothing(tmp_path):
    assert read_scalars(tmp_path) == []
