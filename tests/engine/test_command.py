import sys

from mmseg_ext.engine.command import command, resume_command


def test_the_command_can_be_typed_again(tmp_path, monkeypatch):
    monkeypatch.delenv('MMSEG_EXT_COMMAND', raising=False)
    monkeypatch.chdir(tmp_path)
    script = str(tmp_path / 'tools/train.py')
    options = ['--cfg-options', 'data_root=my data', '--work-dir', '/elsewhere/x']
    monkeypatch.setattr(sys, 'argv', [script, str(tmp_path / 'my config.py'), *options])
    assert command() == (
        "python tools/train.py 'my config.py' "
        "--cfg-options 'data_root=my data' --work-dir /elsewhere/x"
    )
    monkeypatch.setenv('MMSEG_EXT_COMMAND', 'tools/dist_train.sh CONFIG 4')
    assert command() == 'tools/dist_train.sh CONFIG 4'


def test_the_command_that_resumes(monkeypatch):
    monkeypatch.setenv('MMSEG_EXT_COMMAND', "tools/dist_train.sh 'my config.py' 4")
    assert resume_command() == "tools/dist_train.sh 'my config.py' 4 --resume"
    monkeypatch.setenv('MMSEG_EXT_COMMAND', resume_command())
    assert resume_command() == "tools/dist_train.sh 'my config.py' 4 --resume"
    monkeypatch.setenv('MMSEG_EXT_COMMAND', 'tools/dist_train.sh C 4 --resume old.pth --amp')
    assert resume_command() == 'tools/dist_train.sh C 4 --amp --resume'
