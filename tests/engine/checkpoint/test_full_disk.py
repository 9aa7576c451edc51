"""A disk that is really full: a small one in memory."""

import shutil
import subprocess

import pytest
import torch

from mmseg_ext.engine.checkpoint.files import find_fault, writing_whole


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB; mounting one takes rights that not every machine gives."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', str(disk)]
    if not shutil.which('mount') or subprocess.run(command, capture_output=True).returncode:
        pytest.skip('no right to mount a file system')
    yield disk
    subprocess.run(['umount', str(disk)], check=True)


def test_the_older_file_stays_whole_and_no_remains_take_its_room(small_disk):
    path = small_disk / 'epoch_1.pth'
    with writing_whole(path) as part:
        torch.save({'weight': torch.rand(500_000)}, part)  # 2 MB
    with pytest.raises(Exception) as error, writing_whole(small_disk / 'epoch_2.pth') as part:
        part.write_bytes(bytes(3_000_000))
    assert isinstance(error.value, OSError) and 'No space left' in str(error.value)
    assert sorted(file.name for file in small_disk.iterdir()) == [path.name, f'{path.name}.sha256']
    assert find_fault(path) is None
