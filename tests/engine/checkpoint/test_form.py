import pickle
import tarfile
import zipfile

import pytest
import torch

from mmseg_ext.engine.checkpoint.form import check_checkpoint_file
from mmseg_ext.engine.errors import UsageError


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'a.pth'


@pytest.mark.parametrize('zipped', [True, False])
def test_both_forms_of_torch_save(file, zipped):
    torch.save({'weight': torch.ones(2)}, file, _use_new_zipfile_serialization=zipped)
    assert check_checkpoint_file('load_from', file) == ('zip' if zipped else 'legacy')


def test_torchscript_is_told_apart(file):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)
    assert check_checkpoint_file('load_from', file) == 'script'


@pytest.mark.parametrize('member, form', [('pickle', 'tar'), ('readme.txt', None)])
def test_a_tar_is_a_checkpoint_if_it_has_a_pickle(file, tmp_path, member, form):
    (tmp_path / member).write_bytes(pickle.dumps(0))
    with tarfile.open(file, 'w') as archive:
        archive.add(tmp_path / member, member)
    if form:
        assert check_checkpoint_file('load_from', file) == form
    else:
        with pytest.raises(UsageError, match='no PyTorch checkpoint'):
            check_checkpoint_file('load_from', file)


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04 cut', bytes(64)])
def test_what_is_no_checkpoint_is_named(file, content):
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r'load_from: .*a\.pth .* is no PyTorch checkpoint'):
        check_checkpoint_file('load_from', file)


def test_a_zip_cut_off_anywhere_is_named(file):
    torch.save({'weight': torch.ones(30)}, file)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match='cut off while it was written'):
            check_checkpoint_file('load_from', file)


def test_safetensors_cut_off_anywhere_are_named(tmp_path):
    save = pytest.importorskip('safetensors.torch').save
    file, whole = tmp_path / 'a.safetensors', save({'weight': torch.ones(3), 'bias': torch.ones(2)})
    file.write_bytes(whole)
    assert check_checkpoint_file('load_from', file) == 'safetensors'
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match='cut off while it was written'):
            check_checkpoint_file('load_from', file)


def test_a_zip_of_something_else_is_no_checkpoint(file):
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('readme.txt', 'hello')
    with pytest.raises(UsageError, match='no PyTorch checkpoint'):
        check_checkpoint_file('load_from', file)


def test_a_missing_checkpoint_names_the_ones_beside_it(tmp_path):
    (tmp_path / 'epoch_20.pth').touch()
    with pytest.raises(UsageError, match=r'no checkpoint at .*epoch_200\.pth.*epoch_20\.pth'):
        check_checkpoint_file('load_from', tmp_path / 'epoch_200.pth')


def test_a_zip_with_a_damaged_table_of_contents_is_named(file):
    torch.save({'weight': torch.ones(2)}, file)
    file.write_bytes(file.read_bytes().replace(b'PK\x01\x02', b'PK\x00\x00', 1))
    with pytest.raises(UsageError, match='no PyTorch checkpoint, or was cut off'):
        check_checkpoint_file('load_from', file)
