from types import SimpleNamespace

from mmseg_ext.hooks import curves_hook


def test_drawing_takes_a_fiftieth_of_the_time_at_most(monkeypatch, tmp_path):
    clock, drawn = [1000.0], []

    def draw(work_dir):
        drawn.append(clock[0])
        clock[0] += 4.0

    monkeypatch.setattr(curves_hook, 'draw_curves', draw)
    monkeypatch.setattr(curves_hook.time, 'monotonic', lambda: clock[0])
    hook, runner = curves_hook.CurvesHook(), SimpleNamespace(work_dir=tmp_path)
    for _ in range(10):
        hook.after_val_epoch(runner)
        clock[0] += 90.0
    assert drawn == [1000.0, 1274.0, 1548.0, 1822.0]
    hook.after_train(runner)
    assert len(drawn) == 5, 'the end is always drawn'
