import hashlib
import shutil
import subprocess
import sys

import pytest

from mmseg_ext.records import provenance
from mmseg_ext.records.provenance import git_diff, git_state, versions


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with one commit."""
    # git looks for a repository in the folders above, and into the user's settings
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path))
    monkeypatch.setenv('GIT_CONFIG_GLOBAL', '/dev/null')
    root = tmp_path / 'checkout'
    root.mkdir()
    (root / 'a.py').write_text('a = 1\n')
    git(root, 'init', '--initial-branch=trunk')
    git(root, 'add', '.')
    git(root, '-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '-m', 'one')
    return root


def git(root, *words):
    return subprocess.run(
        ['git', '-C', root, *words], check=True, capture_output=True, text=True
    ).stdout


def test_a_clean_checkout(checkout):
    assert git_state(checkout) == dict(
        commit=git(checkout, 'rev-parse', 'HEAD').strip(),
        branch='trunk',
        dirty=False,
        changed=[],
        diff_sha256=None,
    )
    git(checkout, 'checkout', '--detach')
    assert git_state(checkout)['branch'] is None


def test_a_changed_checkout(checkout):
    (checkout / 'a.py').write_text('a = 2\n')
    (checkout / 'new.py').write_text('b = 1\n')
    state = git_state(checkout)
    assert state['dirty'] and state['changed'] == [' M a.py', '?? new.py']
    diff = git_diff(checkout)
    assert b'-a = 1\n+a = 2\n' in diff and state['diff_sha256'] == hashlib.sha256(diff).hexdigest()
    # what is kept is enough to get there again
    git(checkout, 'checkout', 'a.py')
    subprocess.run(['git', '-C', checkout, 'apply'], input=diff, check=True)
    assert (checkout / 'a.py').read_text() == 'a = 2\n'


def test_a_checkout_before_its_first_commit(checkout):
    shutil.rmtree(checkout / '.git')
    git(checkout, 'init', '--initial-branch=trunk')
    state = git_state(checkout)
    assert (state['commit'], state['branch'], state['dirty']) == (None, 'trunk', True)


def test_no_checkout_no_git_and_a_git_that_hangs(checkout, tmp_path, monkeypatch):
    outside = tmp_path / 'outside'
    outside.mkdir()
    assert git_state(outside) is None and git_diff(outside) == b''
    slow = tmp_path / 'git'
    slow.write_text('#!/bin/sh\nexec sleep 30\n')
    slow.chmod(0o755)
    monkeypatch.setattr(provenance, 'GIT_TIMEOUT', 0.1)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    assert git_state(checkout) is None
    monkeypatch.setenv('PATH', str(outside))
    assert git_state(checkout) is None


def test_versions_name_the_line_that_is_installed():
    found = versions()
    assert found['python'] == sys.version.split()[0]
    assert {'torch', 'mmseg-ext', 'numpy'} < found.keys()
    assert len({'onedl-mmengine', 'mmengine'} & found.keys()) == 1
