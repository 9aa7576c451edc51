import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from killing import survive_kills

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.jobs import clear_remains, is_written, run_jobs
from mmseg_ext.records.files import replacing


def square(number):
    return number * number


def name_process(_):
    time.sleep(0.02)
    return os.getpid()


def fail_at_seven(job):
    number, folder = job
    if number == 7:
        raise UsageError('the seventh')
    with replacing(folder / str(number)) as part:
        part.write_text('half')
        time.sleep(0.01)
        part.write_text('whole')


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def write_slowly(source):
    target = source.parents[1] / 'out' / source.name
    with replacing(target) as part, part.open('w') as file:
        for letter in source.read_text():
            file.write(letter)
            file.flush()
            time.sleep(0.001)


def copy_slowly(sources):
    out = sources.parent / 'out'
    out.mkdir(exist_ok=True)
    clear_remains(out)
    missing = [source for source in sorted(sources.iterdir()) if not is_written(out / source.name)]
    run_jobs(write_slowly, missing, 2, 'copying')


def make_sources(folder):
    sources = folder / 'sources'
    sources.mkdir()
    for number in range(40):
        (sources / f'{number}.txt').write_text(f'{number:04}')
    return (sources,)


@pytest.mark.parametrize('processes', [1, 2])
def test_results_are_in_the_order_of_the_jobs(processes):
    numbers = list(range(100))
    assert run_jobs(square, numbers, processes, 'squares') == [n * n for n in numbers]
    assert run_jobs(square, [], processes, 'squares') == []


def test_each_process_has_its_share():
    workers = run_jobs(name_process, range(64), 2, 'names')
    assert len(set(workers)) == 2 and os.getpid() not in workers


@pytest.mark.parametrize('processes', [1, 2])
def test_an_error_ends_it_and_leaves_whole_files_alone(tmp_path, processes):
    with pytest.raises(UsageError, match='the seventh'):
        run_jobs(fail_at_seven, [(n, tmp_path) for n in range(500)], processes, 'files')
    written = list(tmp_path.iterdir())
    assert len(written) < 200
    assert all(file.read_text() == 'whole' for file in written)


@pytest.mark.parametrize('processes', [1, 2])
def test_an_error_leaves_no_thread_of_the_bar_behind(tmp_path, processes):
    before = threading.active_count()
    # while the error is at hand, all that it came through is alive
    with pytest.raises(UsageError) as error:
        run_jobs(fail_at_seven, [(n, tmp_path) for n in range(20)], processes, 'files')
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline, error
        time.sleep(0.01)


def test_a_killed_process_is_an_error_and_no_wait_for_ever():
    with pytest.raises(UsageError, match='one of 2 processes was killed'):
        run_jobs(die, range(4), 2, 'dying')


def test_the_processes_end_with_the_first_one():
    script = (
        'import sys; sys.path.insert(0, "tests/prepare"); sys.path.insert(0, "tests")\n'
        'from test_jobs import say_and_sleep\n'
        'from mmseg_ext.prepare.jobs import run_jobs\n'
        'run_jobs(say_and_sleep, range(2), 2, "")'
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, '-c', script], cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        assert len(set(workers)) == 2
        process.kill()
        # the pipe ends when the last process that holds it has ended
        assert process.communicate(timeout=10)[0] == ''


def say_and_sleep(_):
    os.write(1, f'{os.getpid()}\n'.encode())
    time.sleep(60)


def test_only_the_remains_of_dead_processes_go(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    for name in (f'.{dead.pid}.a.png', f'.{os.getpid()}.b.png', '.hidden', 'c.png'):
        (tmp_path / name).touch()
    clear_remains(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {f'.{os.getpid()}.b.png', '.hidden', 'c.png'}
    assert not is_written(tmp_path / 'c.png'), 'an empty file is none'


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='no /proc')
def test_a_dead_process_that_nobody_collects_is_dead(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / f'.{dead.pid}.a.png').touch()
    clear_remains(tmp_path)
    assert not list(tmp_path.iterdir())
    dead.wait()


def test_a_rerun_after_kills_ends_right(tmp_path):
    survive_kills(copy_slowly, make_sources, tmp_path, kills=3)
