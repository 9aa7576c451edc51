import importlib.util
import io
import json

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from rich.console import Console

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.class_curves import MAX_LINES
from mmseg_ext.records.curves import draw_curves
from mmseg_ext.records.curves_report import print_scores
from mmseg_ext.records.run_history import read_runs

TABLE = """2026/11/21 17:07:00 - mmengine - INFO - per class results:
2026/11/21 17:07:00 - mmengine - INFO -{}
+-----------+-------+-------+
|   Class   |  IoU  |  Acc  |
+-----------+-------+-------+
|    sky    | {:5} | 98.33 |
| road sign |  nan  |  nan  |
+-----------+-------+-------+
2026/11/21 17:07:00 - mmengine - INFO - Epoch(val) [{}][9/9]    mIoU: {:.4f}
"""


@pytest.fixture(scope='module')
def main():
    spec = importlib.util.spec_from_file_location('curves', ROOT / 'tools/analysis_tools/curves.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def write_run(work_dir, scores=(10, 20, 30)):
    """A stock run of epochs of 5 iterations, validated after each."""
    folder = work_dir / '20260101_000000'
    (folder / 'vis_data').mkdir(parents=True)
    lines, log = [], 'Epoch(train)  [1][5/5]  loss: 1.0\n'
    for epoch, score in enumerate(scores, start=1):
        losses = {'loss': 1 / epoch, 'decode.loss_ce': 0.5, 'decode.loss_dice': 0.5}
        lines.append(dict(losses, lr=0.1, epoch=epoch, iter=5 * epoch, step=5 * epoch))
        lines.append(dict(mIoU=float(score), aAcc=50.0, time=0.1, step=epoch))
        log += TABLE.format(' ', str(float(score)), epoch, score)
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    (folder / 'vis_data/scalars.json').write_text(text)
    (folder / '20260101_000000.log').write_text(log)
    return work_dir


def ink(path):
    return (np.array(Image.open(path).convert('L')) < 200).sum()


def test_one_run(main, tmp_path, capsys):
    run = write_run(tmp_path / 'run', [10, 20, 30, 30.1, 30.2, 30.3, 30.1])
    main([str(run), '--smooth', '3'])
    said = capsys.readouterr().out
    assert 'run: mIoU stopped rising at epoch 3 (iteration 15): 30.00, within 0.50 of' in said
    assert f'drawn: {run / "curves.png"}' in said
    whole = ink(run / 'curves.png')
    main([str(run), '--classes', 'sky', '--out', str(tmp_path / 'sky.png')])
    assert 0 < ink(tmp_path / 'sky.png') < whole


def test_a_fall_and_a_rise_to_the_end_are_said(main, tmp_path, capsys):
    main([str(write_run(tmp_path / 'fallen', [10, 30, 29, 28, 20])), '--smooth'])
    assert 'fell to 20.00 at the end' in capsys.readouterr().out
    main([str(write_run(tmp_path / 'rising', [10, 20, 25, 30]))])
    assert 'rising: mIoU is still rising at the end (30.00' in capsys.readouterr().out


def test_several_runs_are_compared(main, tmp_path, capsys):
    runs = [write_run(tmp_path / 'a/run', [10, 20]), write_run(tmp_path / 'b/run', [30, 25])]
    out = tmp_path / 'compared.png'
    main([*map(str, runs), '--out', str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ['a/run', '20.00', 'epoch', '2', '20.00', 'epoch', '2', '0.5000', '2'],
        ['b/run', '30.00', 'epoch', '1', '25.00', 'epoch', '2', '0.5000', '2'],
    ]
    assert min(Image.open(out).size) > 400


def test_many_classes_become_a_map_of_their_own_height(tmp_path):
    """Rows as high as their names, where a line each could not be told apart."""
    heights = []
    for count in (MAX_LINES, 60, 61):
        run = write_run(tmp_path / str(count))
        iou = {f'class {index}': index / 100 for index in range(count)} | {'absent': None}
        entries = [
            dict(epoch=e, iter=5 * e, metrics=dict(mIoU=1.0, val_loss=0.3), per_class=dict(IoU=iou))
            for e in (1, 2)
        ]
        content = dict(started='', validations=entries)
        (run / 'metrics.json').write_text(json.dumps(content))
        heights.append(Image.open(draw_curves(run)).height)
    assert heights[2] - heights[1] == pytest.approx(0.13 * 110, abs=2)
    assert heights[1] > heights[0] + 300


def test_long_names_find_room_in_a_narrow_terminal(tmp_path):
    names = ['segformer_mit-b2_8xb2-160k_ade20k-512x512_v12-with-all-losses', 'b']
    runs = read_runs([write_run(tmp_path / name, [10, 20]) for name in names])
    lines = {}
    for width in (80, 50):
        out = io.StringIO()
        print_scores(Console(file=out, width=width, soft_wrap=True), runs)
        lines[width] = out.getvalue().splitlines()
        assert len(lines[width][1].split()[0]) >= 20
        assert names[0] in ''.join(line.split()[0] for line in lines[width][1:])
    assert max(map(len, lines[80])) <= 80
    assert all(word in lines[80][1] for word in ('20.00', 'epoch 2', '0.5000'))


def test_without_validations_nothing_is_drawn_of_them(main, tmp_path, capsys):
    heights = []
    for scores in ([10], []):
        run = write_run(tmp_path / str(len(scores)), scores or [10])
        if not scores:
            scalars = run / '20260101_000000/vis_data/scalars.json'
            scalars.write_text(scalars.read_text().splitlines()[0] + '\n')
        main([str(run)])
        heights.append(Image.open(run / 'curves.png').height)
    said = capsys.readouterr().out
    assert '1: too few validations (1) to say' in said and '0: no validation has an mIoU' in said
    assert heights[0] - heights[1] > 2 * 2.6 * 110


def check_error(main, words, *parts):
    with pytest.raises(UsageError) as error:
        main([str(word) for word in words])
    for part in parts:
        assert part in str(error.value)


def test_bad_folders_are_named(main, tmp_path):
    run = write_run(tmp_path / 'run')
    scalars = run / '20260101_000000/vis_data/scalars.json'
    check_error(main, [tmp_path / 'none'], 'there is no folder', 'none')
    check_error(main, [scalars], 'is a file')
    check_error(main, [scalars.parents[1]], 'one start of a run', f'name {run}')
    check_error(main, [scalars.parent], 'one start of a run', f'name {run}')
    check_error(main, [tmp_path], f'it holds runs: name {run}')
    (tmp_path / 'empty').mkdir()
    check_error(main, [tmp_path / 'empty'], 'it is no folder of a run')
    (tmp_path / 'empty/20200101_000000.log.json').touch()
    check_error(main, [tmp_path / 'empty'], 'MMSegmentation 0.x')
    check_error(main, [run, run], 'named twice')
    check_error(main, [run, tmp_path / 'none', '--classes', 'sky'], 'there is no folder')


def test_bad_options_are_named(main, tmp_path, capsys):
    run = write_run(tmp_path / 'run')
    check_error(main, [run, '--classes', 'roadsign'], "'roadsign'", 'road sign?')
    check_error(main, [run, '--smooth', '0'], '--smooth 0')
    check_error(main, [run, '--out', tmp_path / 'a.jpg'], '.png')
    with pytest.raises(SystemExit):
        main(['--smooth', str(run)])
    assert '--smooth=10' in capsys.readouterr().err


@pytest.mark.parametrize('content', ['', '{"loss": 1.0, "st', '5\n', '\0\xff\n'])
def test_a_log_without_a_whole_line_is_named(main, tmp_path, content):
    run = write_run(tmp_path / 'run')
    (run / '20260101_000000/vis_data/scalars.json').write_text(content)
    check_error(main, [run], 'has logged nothing yet')


def test_classes_without_values_are_named(main, tmp_path):
    run = write_run(tmp_path / 'run')
    (run / '20260101_000000/20260101_000000.log').unlink()
    main([str(run)])
    check_error(main, [run, '--classes', 'sky'], 'has no IoU per class')
