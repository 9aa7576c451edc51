import contextlib
import os
import subprocess
import time

import pytest
import torch

from mmseg_ext.engine.checkpoint.files import (
    find_fault,
    find_newest_whole,
    point_to,
    sha256,
    sum_file,
    writing_whole,
)
from mmseg_ext.engine.errors import UsageError


def write(path, value=1.0, summed=True, age=0):
    with writing_whole(path) as part:
        torch.save({'weight': torch.full((5000,), value)}, part)
    if not summed:
        sum_file(path).unlink()
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def test_the_checksum_is_one_that_sha256sum_checks(tmp_path):
    path = write(tmp_path / 'epoch_1.pth')
    command = ['sha256sum', '-c', 'epoch_1.pth.sha256']
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, sum_file(path).name]


def test_an_error_while_writing_leaves_the_old_file_whole(tmp_path):
    path = write(tmp_path / 'epoch_1.pth')
    before = sha256(path)
    with pytest.raises(OSError), writing_whole(path) as part:
        part.write_bytes(b'half')
        raise OSError('disk full')
    assert sha256(path) == before and find_fault(path) is None
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('summed', [True, False])
@pytest.mark.parametrize('keep', [0, 1, 100, 0.5, 0.99])
def test_a_cut_off_file_is_found(tmp_path, summed, keep):
    path = write(tmp_path / 'epoch_1.pth', summed=summed)
    assert find_fault(path) is None
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert find_fault(path)


@pytest.mark.parametrize('summed', [True, False])
def test_a_flipped_bit_is_found(tmp_path, summed):
    path = write(tmp_path / 'epoch_1.pth', summed=summed)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert find_fault(path)


def test_a_kill_between_file_and_checksum_leaves_a_whole_file(tmp_path, monkeypatch):
    """At each step of writing over an older checkpoint of the same name, as a best one does."""
    import mmseg_ext.records.files as files

    path = tmp_path / 'epoch_1.pth'
    calls = 0
    for allowed in range(5):
        write(path)

        def replace(source, target, allowed=allowed, real=os.replace):
            nonlocal calls
            calls += 1
            if calls > allowed:
                raise KeyboardInterrupt  # neither an Exception nor an OSError, like a kill
            real(source, target)

        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(files.os, 'replace', replace)
            with contextlib.suppress(KeyboardInterrupt):
                write(path, value=2.0)
        assert find_fault(path) is None
        assert torch.load(path)['weight'][0] == (1.0 if allowed == 0 else 2.0)


def test_the_newest_whole_one_is_taken_and_the_torn_named(tmp_path):
    write(tmp_path / 'epoch_9.pth', age=50)  # of an older, longer run in this folder
    whole = write(tmp_path / 'epoch_1.pth', age=30, summed=False)
    write(tmp_path / 'epoch_2.pth', age=20).write_bytes(b'PK cut')
    os.utime(tmp_path / 'epoch_2.pth', (time.time() - 20,) * 2)
    write(tmp_path / 'interrupted_iter_7.pth', age=10).write_bytes(b'')
    write(tmp_path / 'best_mIoU_epoch_2.pth')  # has no optimizer
    path, notes = find_newest_whole(str(tmp_path))
    assert path == whole
    assert len(notes) == 2 and 'interrupted_iter_7.pth' in notes[0] and 'epoch_2.pth' in notes[1]


def test_none_whole(tmp_path):
    write(tmp_path / 'epoch_1.pth').write_bytes(b'PK')
    with pytest.raises(UsageError, match=r'no whole checkpoint.*epoch_1\.pth, which is torn'):
        find_newest_whole(str(tmp_path))


def test_none_at_all(tmp_path):
    assert find_newest_whole(str(tmp_path)) == (None, [])


def test_checkpoints_kept_elsewhere_and_named_otherwise(tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'big').mkdir()
    write(tmp_path / 'big/model_1.pth', age=9)
    newest = write(tmp_path / 'big/model_2.pth')
    point_to(str(tmp_path / 'run'), tmp_path / 'big/model_1.pth')
    assert find_newest_whole(str(tmp_path / 'run'))[0] == newest


def test_a_copied_run_goes_on_from_its_own_copy(tmp_path):
    for name in ('old', 'copy'):
        (tmp_path / name).mkdir()
        write(tmp_path / name / 'epoch_1.pth')
        point_to(str(tmp_path / name), tmp_path / 'old/epoch_1.pth')
    assert find_newest_whole(str(tmp_path / 'copy'))[0] == tmp_path / 'copy/epoch_1.pth'


def test_published_and_hand_made_files_are_no_place_to_go_on_from(tmp_path):
    whole = write(tmp_path / 'epoch_2.pth', age=9)
    for name in ('epoch_2-1a2b3c4d.pth', 'epoch_2_ema.pth', 'best_mIoU_epoch_2.pth'):
        write(tmp_path / name)
    assert find_newest_whole(str(tmp_path))[0] == whole


@pytest.mark.parametrize('pointed', [True, False])
def test_a_copy_that_made_an_earlier_file_younger(tmp_path, pointed):
    write(tmp_path / 'epoch_9.pth', age=5)
    last = write(tmp_path / 'epoch_10.pth', age=9)
    if pointed:
        point_to(str(tmp_path), last)
    assert (find_newest_whole(str(tmp_path))[0] == last) == pointed
    newer = write(tmp_path / 'epoch_11.pth')  # a kill before the pointer was written
    assert find_newest_whole(str(tmp_path))[0] == newer


def test_what_a_power_cut_leaves_empty(tmp_path):
    path = write(tmp_path / 'epoch_1.pth')
    sum_file(path).write_text('')
    (tmp_path / 'last_checkpoint').write_text('')
    assert find_newest_whole(str(tmp_path)) == (path, [])
