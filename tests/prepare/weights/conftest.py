import runpy
import sys

import pytest
from segformers import ROOT


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Runs a converter in this process; returns its status, what it said, and its errors."""

    def run_tool(name, *words):
        tool = str(ROOT / f'tools/model_converters/{name}.py')
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, words)])
        status = 0
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run_tool
