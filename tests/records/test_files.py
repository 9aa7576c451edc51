import json
import math

import pytest

from mmseg_ext.records.files import replacing, write_json


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    file = tmp_path / 'a.txt'
    file.write_text('old')
    with pytest.raises(ZeroDivisionError), replacing(file) as part:
        part.write_text('half of the n')
        raise ZeroDivisionError
    assert file.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [file]


def test_nan_becomes_null_and_the_file_is_strict_json(tmp_path):
    write_json(tmp_path / 'a.json', {'a': [1.5, math.nan], 'b': {'c': math.inf}})
    text = (tmp_path / 'a.json').read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {'a': [1.5, None], 'b': {'c': None}}
