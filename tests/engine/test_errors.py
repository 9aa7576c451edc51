import errno
import os

import pytest

from mmseg_ext.engine.errors import UsageError, run_command


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    'error, status, said',
    [
        (UsageError('there is no x'), 2, 'error: there is no x\n'),
        (PermissionError(errno.EACCES, 'Permission denied', 'a/b'), 2,
         'error: a/b: Permission denied\n'),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'a/b'), 2,
         'error: a/b: No space left on device\n'),
        (KeyboardInterrupt(), 130, 'interrupted\n'),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_one_line(capsys, error, status, said):
    with pytest.raises(SystemExit) as ended:
        run_command(raising(error))
    assert ended.value.code == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    'error',
    [ValueError('x'), FileNotFoundError(errno.ENOENT, 'none', 'a'), OSError(errno.EACCES, 'who')],
)
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error)):
        run_command(raising(error))
