import copy
import json
import sys

import pytest
import torch

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.provenance_reading import config_diff, differences, read_record

TOOL = 'tools/analysis_tools/show_provenance.py'
LIST = dict(path='train.txt', names=40, sha256='a' * 64)
START = dict(
    time='20260101_000000',
    command='python tools/train.py c.py',
    iter=0,
    config='c.py',
    seed=0,
    world_size=1,
    batch_size=8,
    device='GPU',
    versions={'torch': '2.13.0', 'mmcv': '2.1.0'},
    git=dict(commit='0' * 40, branch='main', dirty=True, changed=[' M [a].py'], diff_sha256=None),
    package_git=None,
    data={'train_dataloader.dataset': dict(type='VOC', ann_file=LIST)},
    loaded={},
)


def write_run(folder, config='lr = 0.1\n', **changes):
    folder.mkdir()
    start = dict(copy.deepcopy(START), **changes)
    (folder / 'provenance.json').write_text(json.dumps(dict(starts=[start])))
    (folder / 'c.py').write_text(config)
    return folder


def test_names_what_differs_and_nothing_else(tmp_path, run):
    data = {'train_dataloader.dataset': dict(type='VOC', ann_file=dict(LIST, sha256='b' * 64))}
    one = write_run(tmp_path / 'one')
    other = write_run(tmp_path / 'other', 'lr = 0.2\n', seed=1, data=data, time='later')
    records = read_record(one), read_record(other)
    assert [row[0] for row in differences(*records)] == [
        'seed',
        'data.train_dataloader.dataset.ann_file',
    ]
    assert config_diff(*records)[-2:] == ['-lr = 0.1', '+lr = 0.2']
    said = run(sys.executable, TOOL, one, other, COLUMNS='300').stdout
    assert 'train_dataloader.dataset.ann_file' in said and 'a' * 12 in said and 'b' * 12 in said
    assert '+lr = 0.2' in said and 'a' * 13 not in said and 'torch' not in said


def test_equal_runs_and_one_without_a_thing(tmp_path):
    one, other = (
        write_run(tmp_path / 'one'),
        write_run(tmp_path / 'other', versions={'torch': '2.0'}),
    )
    records = read_record(one), read_record(other)
    assert differences(records[0], records[0]) == [] == config_diff(records[0], records[0])
    assert differences(*records) == [
        ('versions.torch', '2.13.0', '2.0'),
        ('versions.mmcv', '2.1.0', None),
    ]


def test_a_checkpoint_of_stock_mmengine_says_what_it_has_and_its_config_is_not_run(tmp_path):
    file = tmp_path / 'stock.pth'
    bomb = f'open({str(tmp_path / "ran")!r}, "w")\n'
    torch.save(dict(meta=dict(seed=3, cfg=bomb, mmengine_version='0.10.7'), state_dict={}), file)
    record = read_record(file)
    assert record.facts == dict(seed=3, mmengine_version='0.10.7') and record.starts == []
    assert f'-{bomb.strip()}' in config_diff(record, read_record(write_run(tmp_path / 'run')))
    assert not (tmp_path / 'ran').exists()


class Bomb:
    def __reduce__(self):
        return (exec, ('raise SystemExit("ran")',))


def test_what_cannot_be_read_is_said_in_a_line(tmp_path):
    with pytest.raises(UsageError, match='there is no .*gone'):
        read_record(tmp_path / 'gone')
    with pytest.raises(UsageError, match=r'has no provenance\.json; name one of its checkpoints'):
        read_record(tmp_path)
    torch.save(dict(meta=Bomb()), tmp_path / 'bomb.pth')
    with pytest.raises(UsageError, match='needs exec, which is code'):
        read_record(tmp_path / 'bomb.pth')
