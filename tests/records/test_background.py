import time

import pytest

from mmseg_ext.records.background import Background


def test_everything_is_done_when_it_is_finished():
    background, done = Background(threads=2), []
    for number in range(20):
        background.submit(done.append, number)
    assert background.finish() == 20
    assert sorted(done) == list(range(20))


def test_few_tasks_wait_at_a_time():
    background, waiting = Background(threads=1), []
    for _ in range(9):
        background.submit(time.sleep, 0.005)
        waiting.append(len(background.waiting))
    assert max(waiting) == background.max_waiting == 2
    assert background.finish() == 9


def test_the_first_error_ends_it_and_is_raised_at_the_end(tmp_path):
    background, done = Background(threads=1), []
    background.submit((tmp_path / 'gone/file').write_text, '')
    for number in range(9):
        background.submit(done.append, number)
    with pytest.raises(FileNotFoundError, match='gone'):
        background.finish()
    assert len(done) < 9
