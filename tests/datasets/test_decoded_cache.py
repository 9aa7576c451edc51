import os
import subprocess
import sys
import timeit
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_ext.datasets import decoded_cache
from mmseg_ext.datasets.decoded_cache import OFFSET, DecodedCache
from mmseg_ext.engine.errors import UsageError


def pixels(seed=0, shape=(40, 50, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def never():
    raise AssertionError('decoded again')


@pytest.fixture
def source(tmp_path):
    file = tmp_path / 'a.jpg'
    file.write_bytes(b'source')
    return str(file)


@pytest.fixture
def cache(tmp_path):
    return DecodedCache(str(tmp_path / 'cache'), max_gb=1, kind='image', settings='color')


@pytest.fixture
def said(monkeypatch):
    """What the cache warns of."""
    messages = []
    monkeypatch.setattr(decoded_cache, 'print_log', lambda text, *args: messages.append(text))
    return messages


def entries(cache):
    return sorted(cache.dir.glob('[!.]*.image'))


def total(cache):
    return int((cache.dir / 'total').read_bytes())


@pytest.mark.parametrize('shape', [(40, 50, 3), (40, 50), (7, 5, 4), (1, 1)])
def test_pixels_come_back_read_only(cache, source, shape):
    for decode in (lambda: pixels(shape=shape), never):
        array = cache.get(source, decode)
        assert array.dtype == np.uint8 and np.array_equal(array, pixels(shape=shape))
        with pytest.raises(ValueError, match='read-only'):
            array[0, 0] = 1
    assert total(cache) == entries(cache)[0].stat().st_size == OFFSET + np.prod(shape)


def test_a_window_reads_its_own_pages(cache, source):
    cache.get(source, pixels)
    array = cache.get(source, never)
    while array.base is not None and isinstance(array.base, np.ndarray):
        array = array.base
    assert type(array.base).__name__ in ('mmap', 'memoryview')


@pytest.mark.parametrize('change', ['bytes', 'time'])
def test_a_changed_source_is_decoded_again_in_its_place(cache, source, change):
    cache.get(source, pixels)
    if change == 'bytes':
        with open(source, 'ab') as file:
            file.write(b'more')
    else:
        os.utime(source, ns=(0, 1))
    assert np.array_equal(cache.get(source, lambda: pixels(1, (9, 9))), pixels(1, (9, 9)))
    assert np.array_equal(cache.get(source, never), pixels(1, (9, 9)))
    assert len(entries(cache)) == 1 and total(cache) == OFFSET + 81


def test_each_way_of_decoding_has_its_entry(cache, source, tmp_path):
    cache.get(source, pixels)
    for kind, settings in (('image', 'grayscale'), ('mask', 'color')):
        other = DecodedCache(str(cache.dir), 1, kind, settings)
        assert np.array_equal(other.get(source, lambda: pixels(1)), pixels(1))
    assert np.array_equal(cache.get(source, never), pixels())


@pytest.mark.parametrize(
    'spoil', [lambda d: b'', lambda d: d[:20], lambda d: d[:-1], lambda d: d + b'x',
              lambda d: b'x' + d[1:]]
)  # fmt: skip
def test_a_torn_or_foreign_entry_is_decoded_again(cache, source, spoil):
    cache.get(source, pixels)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    entry.write_bytes(spoil(whole))
    assert np.array_equal(cache.get(source, pixels), pixels())
    assert entry.read_bytes() == whole


def test_a_full_cache_says_so_once_and_stores_no_more(tmp_path, said, monkeypatch):
    size = OFFSET + pixels().nbytes
    cache = DecodedCache(str(tmp_path / 'cache'), 2.5 * size / 1e9, 'image')
    dataset = range(8)
    monkeypatch.setattr(
        decoded_cache, 'get_worker_info', lambda: SimpleNamespace(id=0, dataset=dataset)
    )
    for number in range(4):
        file = tmp_path / f'{number}.jpg'
        file.write_bytes(b'x')
        assert np.array_equal(cache.get(str(file), pixels), pixels())
    assert len(entries(cache)) == 2 and total(cache) == 2 * size
    (message,) = said
    assert 'holds 2 images, 25% of the 8 of this data set' in message and str(cache.dir) in message
    cache.get(str(tmp_path / '0.jpg'), never)
    # room that was made by hand is found
    entries(cache)[0].unlink()
    again = DecodedCache(str(cache.dir), cache.max_gb, 'image')
    again.get(str(tmp_path / '3.jpg'), pixels)
    assert len(entries(cache)) == 2 and len(said) == 1


@pytest.mark.parametrize('place', ['a file', 'a full disk'])
def test_a_folder_that_takes_nothing_is_named_once(tmp_path, source, said, monkeypatch, place):
    cache = DecodedCache(str(tmp_path / 'cache'), 1, 'image')
    if place == 'a file':
        cache.dir.write_bytes(b'')
    else:

        def write(*args):
            raise OSError(28, 'No space left on device')

        monkeypatch.setattr(decoded_cache, '_write', write)
    for _ in range(2):
        assert np.array_equal(cache.get(source, pixels), pixels())
    (message,) = said
    assert f'the cache {cache.dir} takes no more files' in message


def test_other_pixels_than_bytes_are_left_out(cache, source, said):
    array = cache.get(source, lambda: pixels().astype(np.uint16))
    assert array.dtype == np.uint16 and not entries(cache)
    assert 'a.jpg is uint16' in said[0]


def test_remote_files_are_refused_by_name(cache):
    with pytest.raises(UsageError, match='s3://a/b.jpg is remote; the cache .*cache keeps'):
        cache.get('s3://a/b.jpg', never)


# Two processes store files in orders of their own, each filled with its number; then one is killed
# in the midst of an entry. In one script, as starting is most of the time.
SCRIPT = """
import os, pathlib, signal, sys, numpy as np
from mmseg_ext.datasets import decoded_cache
root, gb = pathlib.Path(sys.argv[1]), float(sys.argv[2])
def fill(seed):
    cache = decoded_cache.DecodedCache(str(root / 'cache'), gb, 'image')
    for number in np.random.default_rng(seed).permutation(40):
        pixels = np.full((300, 300), number, np.uint8)
        array = cache.get(str(root / f'{number}.jpg'), lambda: pixels)
        assert (array == number).all()
def die(array):
    os.kill(os.getpid(), signal.SIGKILL)
def be_killed(_):
    decoded_cache.np.ascontiguousarray = die
    cache = decoded_cache.DecodedCache(str(root / 'cache'), 1, 'image')
    cache.get(str(root / '40.jpg'), lambda: np.zeros((50, 50), np.uint8))
def start(job, seed):
    child = os.fork()
    if child == 0:
        try:
            job(seed)
            os._exit(0)
        finally:
            os._exit(1)
    return child
children = [start(fill, 0), start(fill, 1)]
print(*(os.waitpid(child, 0)[1] for child in children))
print(os.waitpid(start(be_killed, None), 0)[1])
"""


def test_two_processes_keep_the_cap_and_a_killed_one_leaves_nothing(tmp_path):
    for number in range(41):
        (tmp_path / f'{number}.jpg').write_bytes(b'x')
    size = OFFSET + 300 * 300
    job = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(tmp_path), str(30.5 * size / 1e9)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert job.stdout.split()[-3:] == ['0', '0', '9'], job.stdout + job.stderr
    cache = DecodedCache(str(tmp_path / 'cache'), 1, 'image')
    assert len(list(cache.dir.glob('.*'))) == 1, 'it was killed too early or too late'
    assert len(entries(cache)) == 30
    whole = 0
    for number in range(40):
        array = cache.get(str(tmp_path / f'{number}.jpg'), lambda: np.zeros(0, np.uint16))
        whole += array.size == 300 * 300 and bool((array == number).all())
    assert whole == 30
    cache.stores = True
    assert np.array_equal(cache.get(str(tmp_path / '40.jpg'), pixels), pixels())
    assert not list(cache.dir.glob('.*'))
    assert total(cache) == sum(entry.stat().st_size for entry in entries(cache))
    assert len(entries(cache)) == 31


def test_a_hit_is_cheap(cache, source):
    cache.get(source, lambda: pixels(0, (512, 683, 3)))
    seconds = min(timeit.repeat(lambda: cache.get(source, never), number=50, repeat=5)) / 50
    assert seconds < 5e-4  # 0.05 ms on an idle machine
