import argparse
import inspect
import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import load_run_config, name_run
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import Runner as MMEngineRunner

from mmseg_ext.engine.checkpoint.reading import read_checkpoint, register_loaders
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.runner import Runner


@pytest.fixture(scope='module')
def saved(tiny_config, tmp_path_factory):
    """A checkpoint that MMEngine saved: network, optimizer, schedules, message_hub."""
    cfg = load_run_config(tiny_config)
    cfg.work_dir = str(tmp_path_factory.mktemp('saved'))
    cfg.train_cfg.max_epochs = 1
    cfg.val_dataloader.dataset.indices = cfg.test_dataloader.dataset.indices = 2
    Runner.from_cfg(cfg).train()
    return Path(cfg.work_dir, 'epoch_1.pth')


@pytest.fixture(autouse=True)
def stock_loaders():
    """Leaves the loaders of this process as they were."""
    stock = CheckpointLoader._schemes
    CheckpointLoader._schemes = dict(stock)
    yield
    CheckpointLoader._schemes = stock


def assert_same(ours, plain, path='checkpoint'):
    assert type(ours) is type(plain), path
    if isinstance(plain, dict):
        assert list(ours) == list(plain), path
        for key in plain:
            assert_same(ours[key], plain[key], f'{path}.{key}')
    elif isinstance(plain, (list, tuple)):
        assert len(ours) == len(plain), path
        for index, (one, other) in enumerate(zip(ours, plain, strict=True)):
            assert_same(one, other, f'{path}[{index}]')
    elif isinstance(plain, HistoryBuffer):
        for one, other in zip(ours.data, plain.data, strict=True):
            np.testing.assert_array_equal(one, other, path)
        assert ours.mean() == plain.mean() and ours.statistics('min') == plain.statistics('min')
    elif isinstance(plain, torch.Tensor):
        assert ours.dtype == plain.dtype and torch.equal(ours, plain), path
    else:
        assert np.array_equal(ours, plain), path


def test_what_mmengine_saves_is_read_in_full(saved):
    ours, plain = read_checkpoint(saved), torch.load(saved, weights_only=False)
    assert_same(ours, plain)
    assert isinstance(plain['message_hub']['log_scalars']['train/loss'], HistoryBuffer)
    assert plain['state_dict'] and plain['optimizer']['state'] and plain['param_schedulers']


@pytest.mark.parametrize('zipped', [True, False])
def test_what_others_save_is_read_in_full(tmp_path, zipped):
    """MMSegmentation 0.x and timm-style files, and NumPy 1's names; also in the older form."""
    plain = dict(
        state_dict=OrderedDict(w=torch.ones(2, 3), half=torch.ones(2).half()),
        model=torch.nn.Parameter(torch.zeros(2)),
        meta=dict(CLASSES=('a', 'b'), PALETTE=[[1, 2, 3]], time='now', best=np.float64(0.5)),
        args=argparse.Namespace(lr=0.1),
        random=dict(
            numpy=('MT19937', np.arange(4, dtype=np.uint32), 2, 0, 0.0), mask=np.array([True])
        ),
        window=slice(0, 3),
        seen={1, 2},
        scalars=[np.float32(1), np.int64(2), np.bool_(True), 10**30, None, True, 1.5, b'bytes'],
    )
    torch.save(plain, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    assert_same(read_checkpoint(tmp_path / 'a.pth'), plain)


def test_the_names_of_both_numpys_are_known(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'a': np.arange(3), 'b': np.float64(2)}, file, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    assert b'numpy._core.multiarray' in content
    file.write_bytes(content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray'))
    assert_same(read_checkpoint(file), {'a': np.arange(3), 'b': np.float64(2)})


def test_arrays_of_every_shape_order_and_place_are_read_in_full(tmp_path):
    shared = np.arange(3)
    plain = dict(
        big_endian=np.arange(4, dtype='>i4'),
        fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        no_axis=np.array(2j),
        number=np.array([1], '>f8')[0],
        kind=np.dtype('>f4'),
        nested=[{'a': (shared, [shared])}],
        args=argparse.Namespace(mean=np.ones(3)),
    )
    torch.save(plain, tmp_path / 'a.pth')
    ours = read_checkpoint(tmp_path / 'a.pth')
    assert np.array_equal(ours['args'].mean, plain['args'].mean)
    assert type(ours['args'].mean) is np.ndarray
    assert ours.pop('kind') == plain.pop('kind')
    del ours['args'], plain['args']
    assert_same(ours, plain)
    assert ours['fortran'].flags.f_contiguous
    assert ours['nested'][0]['a'][0] is ours['nested'][0]['a'][1][0]
    ours['nested'][0]['a'][0][0] = 5
    torch.save(ours, tmp_path / 'b.pth')
    assert_same(read_checkpoint(tmp_path / 'b.pth'), ours)


def test_safetensors(tmp_path):
    save_file = pytest.importorskip('safetensors.torch').save_file
    save_file({'w': torch.arange(6.0).view(2, 3)}, tmp_path / 'a.safetensors')
    assert_same(read_checkpoint(tmp_path / 'a.safetensors'), {'w': torch.arange(6.0).view(2, 3)})


class Program:
    """Pickled, it is a program that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


def write_tar(file, content):
    """The form of torch < 0.4: no storages, no tensors, and a pickle."""
    members = dict(
        storages=pickle.dumps(0) + pickle.dumps([]),
        tensors=pickle.dumps(0),
        pickle=pickle.dumps(content),
    )
    with tarfile.open(file, 'w') as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def write_legacy(file, content):
    torch.save(content, file, _use_new_zipfile_serialization=False)


def save(file, content):
    torch.save(content, file)


SHAPES = {
    'top level': (save, lambda program: program),
    'nested': (save, lambda program: {'state_dict': {'a': torch.ones(1), 'b': [program]}}),
    'meta': (save, lambda program: {'meta': {'epoch': program}, 'state_dict': {}}),
    'optimizer': (save, lambda program: {'optimizer': {'state': {0: {'step': program}}}}),
    'legacy': (write_legacy, lambda program: {'state_dict': {'a': program}}),
    'tar': (write_tar, lambda program: {'state_dict': {'a': program}}),
}


@pytest.mark.parametrize('shape', SHAPES)
def test_no_program_runs_from_a_checkpoint(tmp_path, shape):
    file, marker = tmp_path / 'a.pth', tmp_path / 'it-ran'
    write, place = SHAPES[shape]
    write(file, place(Program(marker)))
    needed = 'the tar form' if shape == 'tar' else rf'{os.name}\.system'
    with pytest.raises(UsageError, match=rf'a\.pth needs {needed}.*code, not weights.*--unsafe-lo'):
        read_checkpoint(file)
    register_loaders(unsafe=False)
    with pytest.raises(UsageError, match=needed):
        CheckpointLoader.load_checkpoint(str(file))
    assert not marker.exists()

    if shape == 'top level':
        with pytest.raises(UsageError, match='holds a int, not a dict'):
            read_checkpoint(file, unsafe=True)
    else:
        read_checkpoint(file, unsafe=True)
    assert marker.exists(), 'the file is no threat, and the test no test'


class Lookup:
    """getattr, which HistoryBuffer's pickle has too, on something else."""

    def __init__(self, owner, name):
        self.found = owner, name

    def __reduce__(self):
        return getattr, self.found


@pytest.mark.parametrize('owner, name', [(HistoryBuffer, '__init__'), (torch.Tensor, 'numpy')])
def test_attributes_cannot_be_looked_up(tmp_path, owner, name):
    torch.save({'a': Lookup(owner, name)}, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=r'needs builtins\.getattr'):
        read_checkpoint(tmp_path / 'a.pth')


class Call:
    """What a pickle calls, and the state that it sets then."""

    def __init__(self, function, *args, state=None):
        self.parts = function, args, state

    def __reduce__(self):
        return self.parts


RECONSTRUCT, SCALAR = np.array(0).__reduce__()[0], np.float64(0).__reduce__()[0]
POINTER = b'A' * 8
# a dtype of pointers that says of itself to be plain bytes
DISGUISED = Call(
    np.dtype, 'V8', False, True, state=(3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0)
)
BARE = RECONSTRUCT, np.ndarray, (0,), b'b'
POINTERS = {
    'pointers': (Call(np.ndarray, (1,), 'O', POINTER), 'ndarray'),
    'pointers followed': (Call(np.ndarray, Call(np.ndarray, (1,), 'O', POINTER)), 'ndarray'),
    'memory': (Call(np.ndarray, (10,), 'i8'), 'ndarray'),
    'memory reconstructed': (Call(RECONSTRUCT, np.dtype, (10,), b'l'), 'ndarray'),
    'object': (Call(*BARE, state=(1, (1,), Call(np.dtype, 'O'), False, POINTER)), 'dtype'),
    'fields': (Call(np.dtype, [('a', 'O')]), 'dtype'),
    'structure': (Call(*BARE, state=(1, (1,), DISGUISED, False, POINTER)), 'dtype'),
    'fields set on a number': (
        Call(np.dtype, 'f8', state=(3, '|', None, ('a',), {'a': ('O', 0)}, 8, 1, 0)),
        'dtype',
    ),
    'object scalar': (Call(SCALAR, Call(np.dtype, 'O8'), POINTER), 'dtype'),
    'no dtype': (Call(*BARE, state=(1, (1,), 'f8', False, POINTER)), 'dtype'),
}


@pytest.mark.parametrize('shape', POINTERS)
def test_no_bytes_of_a_checkpoint_become_pointers(tmp_path, shape):
    """Followed, they may crash the process, which is another one then."""
    file = tmp_path / 'a.pth'
    call, needed = POINTERS[shape]
    torch.save({'k': call}, file)
    if shape != 'pointers followed':
        with pytest.raises(UsageError, match=rf'needs numpy\.{needed}, which is code'):
            read_checkpoint(file)
        return
    program = f"""
from mmseg_ext.engine.checkpoint.reading import read_checkpoint
read_checkpoint({str(file)!r})"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 1, done.returncode
    assert 'needs numpy.ndarray, which is code' in done.stderr


@pytest.mark.parametrize('zipped', [True, False])
def test_empty_arrays_and_buffers_are_read(tmp_path, zipped):
    """Their pickles call ``bytes``, with nothing."""
    plain = dict(empty=np.zeros((0, 3), 'f4'), content=b'', log=HistoryBuffer())
    torch.save(plain, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    ours = read_checkpoint(tmp_path / 'a.pth')
    assert ours['empty'].shape == (0, 3) and ours['empty'].dtype == 'f4'
    assert ours['content'] == b'' and [len(array) for array in ours['log'].data] == [0, 0]


@pytest.mark.parametrize('content', [10**12, 'text', (POINTER,)])
def test_bytes_are_made_of_nothing_else(tmp_path, content):
    torch.save({'k': Call(bytes, content)}, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=r'needs builtins\.bytes, which is code'):
        read_checkpoint(tmp_path / 'a.pth')


@pytest.mark.parametrize('shape', [(3,), (-2, -4), (2**33, 2**33)])
def test_an_array_beyond_its_bytes_is_damaged(tmp_path, shape):
    state = (1, shape, np.dtype('i1'), False, POINTER)
    torch.save({'k': Call(*BARE, state=state)}, tmp_path / 'a.pth')
    with pytest.raises(UsageError, match='damaged'):
        read_checkpoint(tmp_path / 'a.pth')


def test_a_whole_network_is_no_checkpoint(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=r'needs torch\.nn\.modules\.linear\.Linear'):
        read_checkpoint(tmp_path / 'a.pth')
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / 'b.pth')
    with pytest.raises(UsageError, match='needs TorchScript'):
        read_checkpoint(tmp_path / 'b.pth')


@pytest.mark.parametrize('unsafe', [False, True])
def test_a_legacy_file_cut_off_anywhere_is_named(tmp_path, unsafe):
    file = tmp_path / 'a.pth'
    write_legacy(file, {'w': torch.randn(9), 'meta': {'epoch': 3, 'é': 1.5, 'list': [1, 10**30]}})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match='cut off while it was written'):
            read_checkpoint(file, unsafe=unsafe)


def test_damage_inside_a_zip_is_named(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'w': torch.randn(9)}, file)
    file.write_bytes(file.read_bytes().replace(b'PK\x03\x04', b'PK\x00\x00', 1))
    with pytest.raises(UsageError, match=r'plain data \(Unsupported operand 80\): it is damaged'):
        read_checkpoint(file)


def test_a_newer_pickle_protocol_asks_for_trust(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'w': torch.ones(2)}, file, pickle_protocol=4)
    with pytest.raises(UsageError, match='does not read as tensors .* needs --unsafe-load'):
        read_checkpoint(file)
    assert torch.equal(read_checkpoint(file, unsafe=True)['w'], torch.ones(2))


def resume(tiny, checkpoint, work_dir):
    tiny.work_dir, tiny.load_from, tiny.resume = str(work_dir), str(checkpoint), True
    tiny.train_cfg.max_epochs = 2
    tiny.val_dataloader.dataset.indices = tiny.test_dataloader.dataset.indices = 2
    name_run(tiny)
    runner = Runner.from_cfg(tiny)
    runner.train()
    return runner


def touch_as_config(marker):
    return f'done = __import__("pathlib").Path({str(marker)!r}).touch()\n'


def test_the_config_in_a_checkpoint_never_runs(tiny, saved, tmp_path):
    marker = tmp_path / 'it-ran'
    content = torch.load(saved, weights_only=False)
    text = touch_as_config(marker)
    content['meta'].pop('cfg')
    content['meta']['config'] = text
    torch.save(content, tmp_path / 'old.pth')
    with pytest.raises(UsageError, match="the checkpoint's config holds __import__"):
        resume(tiny, tmp_path / 'old.pth', tmp_path / 'run')
    tiny.guards = dict(resume_anyway=True)
    runner = resume(tiny, tmp_path / 'old.pth', tmp_path / 'run')
    assert runner.epoch == 2 and runner.iter == 10 and not marker.exists()
    assert read_checkpoint(tmp_path / 'old.pth')['meta']['cfg'] == text


def test_the_stock_runner_would_have_run_it(tmp_path):
    """Where the danger lies; if this fails one day, the renaming is needed no more."""
    marker = tmp_path / 'it-ran'
    Config.fromstring(touch_as_config(marker), file_format='.py')
    assert marker.exists()
    assert "checkpoint['meta']['config']" in inspect.getsource(MMEngineRunner.resume)


@pytest.mark.parametrize('unsafe', [False, True])
def test_backbones_that_load_by_themselves_read_safely(tiny, tmp_path, unsafe):
    """init_cfg of mmseg's Swin, BEiT and ViT goes through CheckpointLoader."""
    from mmseg.models.backbones import SwinTransformer

    small = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), pretrain_img_size=32)
    file, marker = tmp_path / 'swin.pth', tmp_path / 'it-ran'
    torch.save({'model': SwinTransformer(**small).state_dict(), 'args': Program(marker)}, file)
    register_loaders(unsafe)
    backbone = SwinTransformer(**small, init_cfg=dict(type='Pretrained', checkpoint=str(file)))
    if unsafe:
        backbone.init_weights()
    else:
        with pytest.raises(UsageError, match=rf'{os.name}\.system'):
            backbone.init_weights()
    assert marker.exists() == unsafe


def test_a_runner_registers_the_loaders(tiny, saved, tmp_path):
    tiny.work_dir = str(tmp_path / 'run')
    name_run(tiny)
    torch.save({'state_dict': {}, 'meta': Program(tmp_path / 'it-ran')}, tmp_path / 'a.pth')
    runner = Runner.from_cfg(tiny)
    with pytest.raises(UsageError, match='code, not weights'):
        runner.load_checkpoint(str(tmp_path / 'a.pth'))
    assert not (tmp_path / 'it-ran').exists()
