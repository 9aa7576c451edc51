import errno
import json
import math
import os

import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import make_folder, read_json, replacing, write_json
from mmseg_ext.records.history import read_metrics, read_validations
from mmseg_ext.records.provenance_reading import read_starts


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    file = tmp_path / 'a.txt'
    file.write_text('old')
    with pytest.raises(ZeroDivisionError), replacing(file) as part:
        part.write_text('half of the n')
        raise ZeroDivisionError
    assert file.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_named_with_its_file_and_another_error_left_as_it_is(tmp_path):
    with pytest.raises(OSError) as raised, replacing(tmp_path / 'a.txt'):
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert raised.value.filename == str(tmp_path / 'a.txt')
    for error in (OSError('cannot write mode F'), OSError(errno.EACCES, 'closed', 'b.txt')):
        said = str(error)
        with pytest.raises(OSError) as raised, replacing(tmp_path / 'a.txt'):
            raise error
        assert str(raised.value) == said


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    make_folder(tmp_path / 'new/deep')
    make_folder(tmp_path / 'new/deep')
    (tmp_path / 'file').write_text('')
    with pytest.raises(UsageError, match='file/below: no folder can be made here: Not a dir'):
        make_folder(tmp_path / 'file/below')


def test_nan_becomes_null_and_the_file_is_strict_json(tmp_path):
    write_json(tmp_path / 'a.json', {'a': [1.5, math.nan], 'b': {'c': math.inf}})
    text = (tmp_path / 'a.json').read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {'a': [1.5, None], 'b': {'c': None}}


def test_json_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps = []
    for name in ('fsync', 'replace'):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name: (steps.append(name), real(*args))
        )
    write_json(tmp_path / 'a.json', {})
    assert steps == ['fsync', 'replace', 'fsync']


@pytest.mark.parametrize('content', [b'', b'{"starts": [{"ti', b'\0' * 64, b'\xff\xfe', b'[1]'])
def test_torn_json_counts_as_none_with_a_warning(tmp_path, monkeypatch, content):
    said = []
    monkeypatch.setattr('mmengine.logging.print_log', lambda message, *_: said.append(message))
    file = tmp_path / 'metrics.json'
    file.write_bytes(content)
    assert read_starts(file) == [] and read_metrics(tmp_path) == {}
    assert read_validations(tmp_path) == []
    assert len(said) == 3 and all(f'{file} is no whole JSON' in line for line in said)


def test_json_that_is_whole_or_not_there_is_read_without_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.logging.print_log', pytest.fail)
    write_json(tmp_path / 'a.json', {'starts': [1]})
    assert read_json(tmp_path / 'a.json') == {'starts': [1]}
    assert read_starts(tmp_path / 'none.json') == []
