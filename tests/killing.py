"""kill -9 at random moments of a conversion, and what a rerun makes of it."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

# a server that has imported these once starts each conversion in a moment
processes = multiprocessing.get_context('forkserver')
processes.set_forkserver_preload(['mmseg_ext.prepare.jobs', 'mmseg.datasets', 'scipy.io', 'torch'])


def survive_kills(function, make_tree, tmp_path, kills, seed=0):
    """Kills a conversion again and again, runs it to its end, compares with an unbroken one.

    A killed run's files are there for the next run; one that ends before its kill is compared, and
    a new tree is begun.

    Args:
        function: Picklable; ``function(*make_tree(folder))`` converts.
        make_tree: Writes the sources below a folder that is there; returns the arguments.
        tmp_path: Folder to work in.
        kills: How many to survive.
        seed: Of the moments.
    """
    whole = tmp_path / 'whole'
    whole.mkdir()
    started = time.monotonic()
    process, began = _start(function, make_tree(whole))
    began.wait(60)
    started = time.monotonic()
    process.join(120)
    duration = time.monotonic() - started
    assert process.exitcode == 0
    expected = _files(whole)
    draw = random.Random(seed)
    done = round_ = 0
    while done < kills:
        round_ += 1
        assert round_ < 10 * kills, 'it ends before it can be killed: more sources are needed'
        folder = tmp_path / f'killed{round_}'
        folder.mkdir()
        args = make_tree(folder)
        finished = False
        while not finished:
            process, began = _start(function, args)
            assert began.wait(60)
            if done < kills:
                # over the whole of an unbroken run: a rerun, which has less to do, may be missed
                process.join(draw.uniform(0, duration))
            else:
                process.join(120)
            finished = process.exitcode is not None
            if not finished:
                _kill_all(process)
                done += 1
        assert process.exitcode == 0
        found = _files(folder)
        assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
        assert found == expected


def _start(function, args):
    began = processes.Event()
    process = processes.Process(target=_run, args=(function, args, began))
    process.start()
    return process, began


def _kill_all(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    # what a worker that is not quite dead has left would count as under way
    while any(_is_of_group(stat, process.pid) for stat in Path('/proc').glob('[0-9]*/stat')):
        time.sleep(0.01)


def _is_of_group(stat, group):
    try:
        state, _, number = stat.read_text().rpartition(')')[2].split()[:3]
    except OSError:  # it has ended meanwhile
        return False
    return int(number) == group and state != 'Z'


def _run(function, args, began):
    # as in a command line on Linux; else each pool of workers would start a server of its own
    multiprocessing.set_start_method('fork', force=True)
    os.setsid()  # a kill takes the processes of the conversion along
    began.set()
    function(*args)


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
