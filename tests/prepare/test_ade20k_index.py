import os
import pickle

import numpy as np
import pytest
from ade20k_trees import write_index

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.ade20k_index import read_index

NAMES = ['wall', 'crêpe, pancake', 'door']


class Runs:
    def __reduce__(self):
        return os.system, ('touch broken',)


class Imports:
    def __reduce__(self):
        return __import__, ('antigravity',)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_read_in_every_form_of_pickle(tmp_path, protocol):
    write_index(tmp_path / 'index.pkl', NAMES, ['a.jpg', 'b.jpg'], protocol)
    found = read_index(tmp_path / 'index.pkl')
    assert found == dict(filename=['a.jpg', 'b.jpg'], objectnames=NAMES)


@pytest.mark.parametrize('kind', ['U20', '>U20', object])
def test_names_may_be_arrays(tmp_path, kind):
    content = dict(filename=np.array(['a.jpg'], kind), objectnames=np.array(NAMES, kind))
    (tmp_path / 'index.pkl').write_bytes(pickle.dumps(content, 3))
    assert read_index(tmp_path / 'index.pkl')['objectnames'] == NAMES


@pytest.mark.parametrize('evil', [Runs(), Imports(), np.testing.assert_equal, getattr, eval])
def test_nothing_in_it_runs(tmp_path, monkeypatch, evil):
    monkeypatch.chdir(tmp_path)
    content = dict(filename=['a.jpg'], objectnames=NAMES, more=evil)
    (tmp_path / 'index.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(
        UsageError, match=r'index.pkl does not read .*it needs \S+, which is no data'
    ):
        read_index(tmp_path / 'index.pkl')
    assert not (tmp_path / 'broken').exists()


def test_other_files_are_named(tmp_path):
    file = tmp_path / 'index.pkl'
    write_index(file, NAMES, ['a.jpg'])
    whole = file.read_bytes()
    for content, message in (
        (whole[: len(whole) // 2], 'does not read as an index'),
        (b'', 'does not read as an index'),
        (b'version https://git-lfs', 'does not read as an index'),
        (pickle.dumps([1, 2]), "holds no list of texts 'filename'"),
        (pickle.dumps(dict(filename=['a'], objectnames=[1])), "no list of texts 'objectnames'"),
    ):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            read_index(file)
