import subprocess

import pytest

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.lists import find_list_faults, names_checksum, read_names, write_names


def test_a_list_comes_back_sorted_and_without_blank_lines(tmp_path):
    file = tmp_path / 'deep/a.txt'
    write_names(file, ['b', 'a', 'c'])
    assert file.read_text() == 'a\nb\nc\n'
    file.write_text('b\r\n\n a \n')
    assert read_names(file) == {'a', 'b'}


def test_the_checksum_is_that_of_sha256sum(tmp_path):
    write_names(tmp_path / 'a.txt', {'2008_000002', '2007_000032'})
    said = subprocess.run(['sha256sum', tmp_path / 'a.txt'], capture_output=True, text=True).stdout
    assert said.split()[0] == names_checksum(['2008_000002', '2007_000032'])


def test_a_repeated_name_and_a_missing_list_are_named(tmp_path):
    (tmp_path / 'a.txt').write_text('x\ny\nx\n')
    with pytest.raises(UsageError, match=r'a\.txt lists x twice'):
        read_names(tmp_path / 'a.txt')
    with pytest.raises(UsageError, match=r'there is no list .*b\.txt'):
        read_names(tmp_path / 'b.txt')


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / 'train.txt').write_bytes(b'a\n\xff\xfe\n')
    with pytest.raises(UsageError, match='train.txt is no list of names'):
        read_names(tmp_path / 'train.txt')


@pytest.mark.parametrize(
    'text, faults',
    [
        ('a\nb\n', []),
        ('b\na\n', ['is not sorted']),
        ('a\na\nb\n', ['lists a twice']),
        ('a\n', ['lacks b']),
        ('', ['lacks 2 names (a, ...)']),
        ('a\nb\nv\nw\n', ['lists 2 names (v, ...) of the validation set']),
        ('c\n', ['lists c that should not be in it', 'lacks 2 names (a, ...)']),
    ],
)
def test_faults_of_a_list(tmp_path, text, faults):
    file = tmp_path / 'a.txt'
    file.write_text(text)
    assert find_list_faults(file, ['a', 'b'], {'v', 'w'}) == [f'{file} {fault}' for fault in faults]
