"""The set-up: what it refuses, in one line, and that it does its work once."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

NO_INDEX = dict(
    PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL='http://127.0.0.1:9/simple', PIP_FIND_LINKS='',
    PIP_EXTRA_INDEX_URL='', PIP_RETRIES='0',
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / 'tools').mkdir()
    shutil.copy(ROOT / 'tools/setup_env.py', tmp_path / 'tools')
    for name in ('pyproject.toml', 'constraints.txt'):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def set_up(checkout, *python, extras=None, **env):
    command = [*(python or [sys.executable]), str(checkout / 'tools/setup_env.py')]
    command += ['--extras', extras] if extras else []
    return subprocess.run(
        command, env=dict(os.environ, **env), capture_output=True, text=True, timeout=120
    )


def test_no_package_index(checkout):
    done = set_up(checkout, **NO_INDEX)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: pip reaches no package index') and 'PIP_INDEX_URL' in line


def test_a_python_that_is_too_old(checkout):
    # an old Python is rarely at hand, so this one calls itself one
    old = 'import sys, runpy; sys.version_info = (3, 8, 1); path = sys.argv[1]; sys.argv[1:] = []; '
    done = set_up(checkout, sys.executable, '-c', old + "runpy.run_path(path, run_name='__main__')")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: Python 3.8 is too old, mmseg-ext needs 3.10 or newer; ')
    assert 'make PYTHON=python3.1' in line
    assert not (checkout / '.venv').exists()


def install_fake(checkout, *names):
    for name in names:
        (checkout / '.venv/lib/python3.11/site-packages' / f'{name}-1.0.dist-info').mkdir(
            parents=True
        )


@pytest.mark.parametrize('clash', ['mmengine', 'mmcv_lite', 'mmsegmentation'])
def test_a_mixed_install(checkout, clash):
    install_fake(checkout, clash, 'onedl_mmengine', 'onedl_mmcv', 'onedl_mmsegmentation')
    done = set_up(checkout)
    assert done.returncode == 1
    name = clash.replace('_', '-')
    assert done.stderr.startswith(f'error: .venv holds {name} beside onedl-')
    assert 'rm -r .venv' in done.stderr


def test_a_second_call_installs_nothing_until_the_requirements_change(checkout):
    """pip is replaced by a script that counts its calls."""
    binaries = checkout / '.venv/bin'
    binaries.mkdir(parents=True)
    (binaries / 'python').write_text(f'#!/bin/sh\necho "$@" >> {checkout}/calls\n')
    (binaries / 'python').chmod(0o755)

    def calls(**options):
        assert set_up(checkout, **options).returncode == 0
        return (checkout / 'calls').read_text().splitlines()

    assert len(calls()) == 1 and '-c' in calls()[0]
    assert len(calls()) == 1
    with (checkout / 'constraints.txt').open('a') as handle:
        handle.write('# changed\n')
    assert len(calls()) == 2
    assert calls(extras='dev,gpu')[-1].endswith('[dev,gpu]')
    assert len(calls(extras='dev')) == 3, 'an extra that is there already was installed again'
