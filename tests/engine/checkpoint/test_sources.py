import http.server
import threading

import pytest
import torch

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.checkpoint.sources import cached_file, download, find_url
from mmseg_ext.engine.errors import UsageError


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves a checkpoint at /a.pth, and at /short.pth one whose end never arrives."""
    torch.save({'state_dict': {'backbone.w': torch.ones(2), 'head.w': torch.ones(1)}}, 'a.pth')
    content = (tmp_path / 'a.pth').read_bytes()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content[:500] if 'short' in self.path else content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{serving.server_port}', asked
        serving.shutdown()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.chdir(tmp_path)


def test_an_address_is_fetched_once(server):
    url, asked = server
    for _ in range(2):
        assert set(read_checkpoint(f'{url}/a.pth')['state_dict']) == {'backbone.w', 'head.w'}
    assert asked == ['/a.pth']


def test_a_download_that_breaks_off_leaves_nothing(server):
    url = f'{server[0]}/short.pth'
    with pytest.raises(UsageError, match=r'short\.pth.*(cut off|cannot be downloaded)'):
        download(url)
    assert list(cached_file(url).parent.iterdir()) == []


def test_a_server_out_of_reach_names_the_place_for_the_file(tmp_path):
    url = 'http://127.0.0.1:9/mit_b2.pth'  # discard port: nothing listens
    with pytest.raises(UsageError, match=rf'{url} cannot be downloaded.*{tmp_path}.*mit_b2\.pth'):
        download(url)


def test_mmcls_stands_for_the_backbone(monkeypatch, server):
    url, _ = server
    monkeypatch.setattr(
        'mmseg_ext.engine.checkpoint.sources.get_mmcls_models', lambda: {'toy': f'{url}/a.pth'}
    )
    assert set(read_checkpoint('mmcls://toy')['state_dict']) == {'w'}


@pytest.mark.parametrize(
    'source, url',
    [
        ('work_dirs/a.pth', None),
        ('https://there.org/a.pth', 'https://there.org/a.pth'),
        ('open-mmlab://resnet50_v1c', 'resnet50_v1c'),
        ('openmmlab://resnet50_v1c', 'resnet50_v1c'),
        ('mmcls://mobilenet_v2', 'mobilenet_v2'),
    ],
)
def test_what_a_source_stands_for(source, url):
    found = find_url('load_from', source)
    assert found == url or (found.startswith('http') and url in found)


@pytest.mark.parametrize('source', ['s3://bucket/a.pth', 'pavi://a', 'open-mmlab://resnet50_v9z'])
def test_what_cannot_be_read_is_named(source):
    with pytest.raises(UsageError, match=f'load_from.*{source}'):
        find_url('load_from', source)
