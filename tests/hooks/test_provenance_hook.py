import json
import time
from types import SimpleNamespace

import pytest
import torch
from conftest import load_run_config

from mmseg_ext.engine.runner import Runner
from mmseg_ext.hooks import ProvenanceHook, provenance_hook
from mmseg_ext.records.provenance_reading import config_diff, differences, read_record


def train(config, work_dir, **options):
    """One epoch of a step or two, in this process."""
    cfg = load_run_config(config)
    cfg.work_dir = str(work_dir)
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': 1,
            'train_dataloader.dataset.indices': 8,
            'val_dataloader.dataset.indices': 2,
            **options,
        }
    )
    Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module')
def one(tiny_config, tmp_path_factory):
    """A run of one epoch."""
    work_dir = tmp_path_factory.mktemp('runs') / 'one'
    train(tiny_config, work_dir)
    return work_dir


def read_starts(work_dir):
    return json.loads((work_dir / 'provenance.json').read_text())['starts']


def test_run_and_checkpoint_say_the_same_as_plain_data(one):
    (start,) = read_starts(one)
    # a hook's values alone: what else MMEngine saves needs more than plain types
    checkpoint = dict(meta={})
    hook = ProvenanceHook()
    hook.start = dict(start, earlier=[])
    hook.before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, one / 'meta.pt')
    assert torch.load(one / 'meta.pt', weights_only=True) == checkpoint
    record = read_record(one / 'epoch_1.pth')
    assert record.facts == checkpoint['meta']['provenance']
    assert (start['seed'], start['world_size'], start['batch_size'], start['iter']) == (0, 1, 8, 0)
    assert start['data']['train_dataloader.dataset']['ann_file']['names'] == 40
    assert (one / start['time'] / 'vis_data').is_dir(), 'time names the log folder'
    assert differences(record, read_record(one)) == [] == config_diff(record, read_record(one))


def test_a_resumed_run_adds_its_start_and_a_new_one_begins_anew(one, tiny_config, tmp_path):
    epoch_1 = one / 'epoch_1.pth'
    train(tiny_config, tmp_path, **{'load_from': str(epoch_1), 'train_cfg.val_interval': 2})
    (start,) = read_starts(tmp_path)
    assert start['loaded'].keys() == {'load_from'} and start['iter'] == 0
    time.sleep(1.1)  # log folders are named by the second
    train(tiny_config, tmp_path, **{'resume': True, 'train_cfg.max_epochs': 2})
    first, second = read_starts(tmp_path)
    assert first == start and second['iter'] == 1
    assert second['loaded']['resume']['source'] == str(tmp_path / 'epoch_1.pth')
    record = read_record(tmp_path / 'epoch_2.pth')
    assert record.starts == read_record(tmp_path).starts
    assert [each['resumed_from'] for each in record.starts] == [None, str(tmp_path / 'epoch_1.pth')]
    time.sleep(1.1)
    train(tiny_config, tmp_path, **{'train_cfg.val_interval': 2})
    assert [each['loaded'] for each in read_starts(tmp_path)] == [{}]


@pytest.mark.parametrize(('size', 'kept'), [(0, False), (2**20, True), (2**20 + 1, False)])
def test_uncommitted_changes_are_kept_up_to_a_size(tmp_path, monkeypatch, size, kept):
    monkeypatch.setattr(provenance_hook, 'git_diff', lambda root: b'x' * size)
    monkeypatch.setattr(provenance_hook, '_gather', lambda runner: {})
    ProvenanceHook().before_train(SimpleNamespace(work_dir=tmp_path, log_dir=tmp_path, iter=0))
    file = tmp_path / 'git.diff'
    assert (file.stat().st_size == size) if kept else not file.exists()
