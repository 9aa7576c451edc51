import os

import pytest
import torch

from mmseg_ext.engine.distributed import check_process_count
from mmseg_ext.engine.errors import UsageError


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,5')
    check_process_count(2)
    with pytest.raises(UsageError, match=r'3 GPUs asked for, 2 visible \(CUDA_VISIBLE_DEVICES=4,5'):
        check_process_count(3)


def test_more_processes_than_cores_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1}, raising=False)
    check_process_count(2)
    with pytest.raises(UsageError, match='no visible GPU and 2 CPU cores; ask for at most 2'):
        check_process_count(3)


def test_no_process():
    with pytest.raises(UsageError, match='at least 1, got 0'):
        check_process_count(0)
