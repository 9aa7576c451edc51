import hashlib
import io
import re
import shutil
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from killing import survive_kills

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare import download
from mmseg_ext.prepare.download import check_release, convert_sbd, get_release
from mmseg_ext.prepare.fetch import FetchError, fetch
from mmseg_ext.prepare.releases import RELEASES, Release
from mmseg_ext.prepare.unpack import unpack

CONTENT = bytes(range(256)) * 4000
SUM = 'md5:' + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path, as ``how`` says; keeps what it was asked.

    Ways: ``ranges`` (False: sends all of it, status 200), ``cut`` (bytes after which a connection
    ends), ``status``, ``block_pause`` (seconds between blocks of 64 KiB), ``silent`` (announces no
    length), ``stall`` (bytes after which nothing more comes).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.how, self.asked = {}, {}, []
        threading.Thread(target=self.serve_forever, kwargs=dict(poll_interval=0.02)).start()

    def handle_error(self, *args):
        """Clients that are killed break their connections; nothing else is to be said of it."""

    def url(self, path='/a.bin'):
        return f'http://127.0.0.1:{self.server_port}{path}'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server, how = self.server, self.server.how
        wanted = self.headers.get('Range')
        server.asked.append((self.path, wanted))
        status = how.get('status', [])
        if status:
            return self.send_error(status.pop(0))
        content = server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        first = 0
        if wanted and how.get('ranges', True):
            first = int(re.fullmatch(r'bytes=(\d+)-', wanted)[1])
            if first >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {first}-{len(content) - 1}/{len(content)}')
        else:
            self.send_response(200)
        if not how.get('silent'):
            self.send_header('Content-Length', len(content) - first)
        self.end_headers()
        end = first + min(how.get('cut', len(content)), how.get('stall', len(content)))
        for start in range(first, min(end, len(content)), 1 << 16):
            self.wfile.write(content[start : min(start + (1 << 16), end)])
            time.sleep(how.get('block_pause', 0))
        if 'stall' in how:
            time.sleep(1)
        return None


@pytest.fixture(scope='module')
def running():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running):
    running.files, running.how, running.asked = {'/a.bin': CONTENT}, {}, []
    return running


@pytest.fixture
def get(server, tmp_path):
    def get(*urls, **options):
        file = tmp_path / 'a.bin'
        fetch(urls or [server.url()], file, len(CONTENT), SUM, pause=0.001, **options)
        assert file.read_bytes() == CONTENT
        assert [path.name for path in tmp_path.iterdir()] == ['a.bin']
        return [wanted for _, wanted in server.asked]

    return get


def test_a_file_comes_whole_and_progress_is_told(get):
    told = []
    assert get(progress=told.append) == [None]
    assert told == sorted(told) and told[-1] == len(CONTENT)


def test_a_begun_file_goes_on_where_it_stopped(get, tmp_path):
    (tmp_path / 'a.bin.part').write_bytes(CONTENT[:300_001])
    assert get() == ['bytes=300001-']


def test_cut_connections_go_on(get, server):
    server.how = dict(cut=250_000)
    assert get() == [None, 'bytes=250000-', 'bytes=500000-', 'bytes=750000-', 'bytes=1000000-']


def test_a_server_without_ranges_begins_anew(get, server, tmp_path):
    (tmp_path / 'a.bin.part').write_bytes(b'x' * 300_000)
    server.how = dict(ranges=False)
    assert get() == ['bytes=300000-']


@pytest.mark.parametrize('silent', [False, True])
def test_a_beginning_of_another_file_is_fetched_anew(get, server, tmp_path, silent):
    (tmp_path / 'a.bin.part').write_bytes(b'x' * 300_000)
    server.how = dict(silent=silent)
    assert get() == ['bytes=300000-', None]


def test_a_part_that_is_too_long_begins_anew(get, tmp_path):
    (tmp_path / 'a.bin.part').write_bytes(CONTENT + b'more')
    assert get() == [None]


def test_a_whole_part_is_only_verified(get, tmp_path):
    (tmp_path / 'a.bin.part').write_bytes(CONTENT)
    assert get() == []


def test_a_passing_fault_is_tried_again_and_the_next_address_after_a_lasting_one(get, server):
    server.how = dict(status=[503, 500])
    assert get(server.url('/gone'), server.url()) == [None] * 4
    assert [path for path, _ in server.asked] == ['/gone', '/gone', '/gone', '/a.bin']


def test_a_silent_server_is_left_after_the_timeout(get, server):
    server.how = dict(stall=600_000)
    assert get(timeout=0.2) == [None, 'bytes=600000-']


@pytest.mark.parametrize(
    ('served', 'how', 'message'),
    [
        (None, {}, r'a\.bin: HTTP 404'),
        (b'<html>log in</html>', {}, 'has 19 bytes, not 1,024,000: another file'),
        (CONTENT + b'x', dict(silent=True), 'sends more than 1,024,000 bytes'),
        (CONTENT[:-1] + b'x', {}, 'another file, now removed: .* has the md5 [0-9a-f]{32}, not'),
        (CONTENT[:-9], dict(silent=True), r'1,023,991 of 1,024,000 bytes are there|HTTP 416'),
        (CONTENT, dict(status=[500] * 99), r'HTTP 500 .* \(0 of 1,024,000'),
    ],
)
def test_another_file_never_gets_the_name(server, tmp_path, served, how, message):
    server.files, server.how = ({'/a.bin': served} if served else {}), how
    with pytest.raises(FetchError, match=message):
        fetch([server.url()], tmp_path / 'a.bin', len(CONTENT), SUM, pause=0.001)
    assert not (tmp_path / 'a.bin').exists()
    part = tmp_path / 'a.bin.part'
    assert not part.exists() or CONTENT.startswith(part.read_bytes())


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FetchError, match=r'http://127\.0\.0\.1:9/x: .*refused'):
        fetch(['http://127.0.0.1:9/x'], tmp_path / 'a.bin', 5, SUM, pause=0.001)


def test_a_full_disk_is_said_and_the_beginning_kept(server, tmp_path):
    (tmp_path / 'a.bin.part').symlink_to('/dev/full')
    with pytest.raises(UsageError, match=r'a\.bin\.part: No space left .*make room'):
        fetch([server.url()], tmp_path / 'a.bin', len(CONTENT), SUM, pause=0.001)


FILES = {f'Set/img/{i}.jpg': bytes([i]) * 5000 for i in range(40)} | {'Set/list.txt': b'1\n'}


def pack(kind, files):
    stream = io.BytesIO()
    if kind == 'zip':
        with zipfile.ZipFile(stream, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode='w:gz' if kind == 'tgz' else 'w') as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def make_release(server, kind='tgz', files=FILES, content=None):
    content = content or pack(kind, files)
    server.files = {f'/set.{kind}': content}
    return Release(
        title='a set',
        page='http://example.org/set',
        urls=(server.url(f'/set.{kind}'),),
        file=f'set.{kind}',
        size=len(content),
        checksum='sha1:' + hashlib.sha1(content).hexdigest(),
        inner='Set',
        target='sets/Set',
        counts={'img/*.jpg': 40, 'list.txt': 1},
    )


def read_tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


WANTED = {name.removeprefix('Set/'): content for name, content in FILES.items()}


@pytest.mark.parametrize('kind', ['zip', 'tar', 'tgz'])
def test_a_set_comes_to_its_place_and_is_left_alone_then(server, tmp_path, kind):
    extra = {'other/x': b'', './Set/./late.txt': b'y', '__MACOSX/Set/._1.jpg': b'z'}
    release = make_release(server, kind, FILES | extra)
    assert get_release('set', tmp_path, release)
    assert read_tree(tmp_path) == {
        f'sets/Set/{name}': content for name, content in (WANTED | {'late.txt': b'y'}).items()
    }
    assert not (tmp_path / 'downloads').exists()
    server.asked.clear()
    assert not get_release('set', tmp_path, release) and server.asked == []
    assert check_release('set', tmp_path, release) == []


def test_what_a_killed_unpacking_left_is_no_part_of_the_set(server, tmp_path):
    release = make_release(server)
    left = tmp_path / 'sets/.Set.unpacking/img'
    left.mkdir(parents=True)
    (left / 'torn.jpg').touch()
    get_release('set', tmp_path, release)
    assert read_tree(tmp_path) == {f'sets/Set/{name}': content for name, content in WANTED.items()}


def test_an_archive_that_a_kill_left_after_unpacking_goes(server, tmp_path):
    release = make_release(server)
    get_release('set', tmp_path, release, keep_archive=True)
    assert (tmp_path / 'downloads/set/set.tgz').is_file()
    assert not get_release('set', tmp_path, release)
    assert not (tmp_path / 'downloads').exists()


def test_a_whole_set_on_a_disk_that_cannot_be_written_is_left_alone(server, tmp_path):
    release = make_release(server)
    get_release('set', tmp_path, release)
    (tmp_path / 'downloads').write_text('in the way of any folder')
    assert not get_release('set', tmp_path, release)
    shutil.rmtree(tmp_path / 'sets')
    with pytest.raises(UsageError, match='downloads/set cannot be made: .*--data-root'):
        get_release('set', tmp_path, release)


def test_a_file_that_a_power_cut_emptied_is_missed(server, tmp_path):
    release = make_release(server)
    get_release('set', tmp_path, release)
    (tmp_path / 'sets/Set/img/3.jpg').write_bytes(b'')
    (fault,) = check_release('set', tmp_path, release)
    assert fault.endswith('sets/Set has 39 of 40 img/*.jpg')


def test_a_kept_archive_serves_again_and_for_the_check(server, tmp_path):
    release = make_release(server)
    get_release('set', tmp_path, release, keep_archive=True)
    tree = tmp_path / 'sets/Set'
    (tree / 'img/7.jpg').write_bytes(b'short')
    (tree / 'img/8.jpg').unlink()
    faults = check_release('set', tmp_path, release)
    assert len(faults) == 3 and 'has 39 of 40 img/*.jpg' in faults[0]
    assert '7.jpg has 5 bytes, not 5,000' in faults[1] and '8.jpg is missing' in faults[2]
    with pytest.raises(UsageError, match=r'39 of 40 img/\*\.jpg; move .*sets/Set away'):
        get_release('set', tmp_path, release)
    shutil.rmtree(tree)
    server.files = {}
    get_release('set', tmp_path, release, keep_archive=True)
    assert read_tree(tree) == WANTED
    archive = tmp_path / 'downloads/set/set.tgz'
    archive.write_bytes(archive.read_bytes()[:-1] + b'x')
    assert 'has the sha1' in check_release('set', tmp_path, release)[0]


def test_an_archive_fetched_by_hand_is_verified_and_stays(server, tmp_path):
    release = make_release(server)
    archive = tmp_path / 'my.tgz'
    archive.write_bytes(server.files.pop('/set.tgz'))
    get_release('set', tmp_path / 'data', release, archive=archive)
    assert archive.exists() and read_tree(tmp_path / 'data/sets/Set') == WANTED
    other = tmp_path / 'other.tgz'
    other.write_bytes(b'x')
    with pytest.raises(UsageError, match=r'other\.tgz has 1 bytes, not .*: another file'):
        get_release('set', tmp_path / 'data2', release, archive=other)
    with pytest.raises(UsageError, match='there is no archive'):
        get_release('set', tmp_path / 'data2', release, archive=tmp_path / 'gone.tgz')


def test_without_a_network_it_says_what_to_do_by_hand(server, tmp_path, monkeypatch):
    release = replace(make_release(server), urls=('http://127.0.0.1:9/set.tgz',))
    with pytest.raises(UsageError) as caught:
        get_release('set', tmp_path, release, pause=0.001)
    text = str(caught.value)
    place = tmp_path / 'downloads/set/set.tgz'
    for part in (
        'http://127.0.0.1:9/set.tgz: ', f'{release.size:,} bytes, sha1 {release.checksum[5:]}',
        release.page, f'put it at {place}\n', f'download.py set --data-root {tmp_path}\n',
    ):  # fmt: skip
        assert part in text
    place.write_bytes(server.files['/set.tgz'])
    assert get_release('set', tmp_path, release), 'what the text says works'


def test_no_room_and_a_second_process_are_said_before_anything_comes(server, tmp_path, monkeypatch):
    release = make_release(server)
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        patch.setattr(shutil, 'disk_usage', lambda folder: usage)
        with pytest.raises(UsageError, match=r'has 0\.0 GB free, .*--data-root'):
            get_release('set', tmp_path, release)
    with (
        download._locked(tmp_path / 'downloads/set', 'set'),
        pytest.raises(UsageError, match='another process is fetching set'),
    ):
        get_release('set', tmp_path, release)
    assert server.asked == []


def link_tar(name='Set/img/link', **fields):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode='w') as archive:
        info = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(info, key, value)
        archive.addfile(info)
    return stream.getvalue()


def link_zip():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as archive:
        info = zipfile.ZipInfo('Set/link')
        info.external_attr = 0o120777 << 16
        archive.writestr(info, '/etc/passwd')
    return stream.getvalue()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (pack('zip', FILES | {'Set/../../x': b'x'}), r'Set/\.\./\.\./x leads out of it'),
        (pack('tar', FILES | {'../x': b'x'}), r'\.\./x leads out of it'),
        (pack('tgz', FILES | {'/tmp/x': b'x'}), '/tmp/x leads out of it'),
        (pack('zip', FILES | {'Set\\..\\..\\x': b'x'}), 'leads out of it'),
        (link_tar(type=tarfile.SYMTYPE, linkname='/etc'), 'link is neither file nor folder'),
        (link_tar(type=tarfile.LNKTYPE, linkname='/etc/passwd'), 'neither file nor folder'),
        (link_tar(type=tarfile.CHRTYPE), 'neither file nor folder'),
        (link_zip(), 'Set/link is a link'),
        (pack('tgz', FILES)[:-700], 'does not read: .*download it again'),
        (pack('zip', FILES)[:-700], 'does not read'),
        (pack('zip', {'Other/x': b''}), 'has no folder Set'),
        (b'no archive at all', 'does not read'),
    ],
)
def test_an_archive_that_is_dangerous_or_damaged_leaves_nothing(tmp_path, content, message):
    (tmp_path / 'a').write_bytes(content)
    (tmp_path / 'in').mkdir()
    with pytest.raises(UsageError, match=message):
        unpack(tmp_path / 'a', 'Set', tmp_path / 'in/Set')
    assert sorted(path.name for path in tmp_path.rglob('*')) == ['a', 'in']


def test_sbd_is_converted_when_both_are_there(demo_root, tmp_path):
    (tmp_path / 'VOCdevkit').mkdir()
    assert 'there is no' in convert_sbd(tmp_path, 1) and 'download.py voc' in convert_sbd(
        tmp_path, 1
    )
    shutil.copytree(demo_root / 'VOCdevkit/VOC2012', tmp_path / 'VOCdevkit/VOC2012')
    assert convert_sbd(tmp_path, 1).endswith('download.py sbd fetches it')
    shutil.copytree(demo_root / 'benchmark_RELEASE', tmp_path / RELEASES['sbd'].target)
    assert convert_sbd(tmp_path, 1).endswith('aug.txt 8, trainaug.txt 48 images')
    assert len(list((tmp_path / 'VOCdevkit/VOC2012/SegmentationClassAug').iterdir())) > 8


def test_the_sets_go_where_the_configs_look():
    from conftest import ROOT
    from mmengine.config import Config

    for piece, name in (('pascal_voc12', 'voc'), ('ade20k', 'ade20k')):
        cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{piece}.py')
        assert cfg.data_root == f'data/{RELEASES[name].target}'
    for release in RELEASES.values():
        kind, digits = release.checksum.split(':')
        assert len(digits) == 2 * hashlib.new(kind).digest_size
        assert all(url.endswith(f'/{release.file}') for url in release.urls)


def fetch_set(folder, release):
    get_release('set', folder, release, pause=0.001)


@pytest.mark.slow
def test_a_rerun_after_twenty_kills_ends_right(server, tmp_path):
    files = {f'Set/img/{i}.jpg': bytes([i]) * 60_000 for i in range(40)} | {'Set/list.txt': b'1\n'}
    release = make_release(server, 'tar', files)
    server.how = dict(block_pause=0.005)
    survive_kills(fetch_set, lambda folder: (folder, release), tmp_path, kills=20)
    wanted = {f'sets/{name}': content for name, content in files.items()}
    assert read_tree(tmp_path / 'whole') == wanted
    assert any(first for _, first in server.asked), 'no killed download went on'
