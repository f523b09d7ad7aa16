"""One run at a time in a workdir; a lock never outlives its process."""

import signal
import subprocess
import sys

import pytest

from gan_jax.base import UserError
from gan_jax.lock import locked

HOLD = """
import pathlib, sys, time
from gan_jax.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print(1, flush=True)
    time.sleep(99)
"""


def test_another_run_is_kept_out_and_told_by_whom(tmp_path):
    with locked(tmp_path / 'run'):
        in_use = pytest.raises(UserError, match=r"run' is in use by process \d+ on .+; takes another folder")
        with in_use, locked(tmp_path / 'run'):
            pass
        with locked(tmp_path / 'other'):
            pass
    with locked(tmp_path / 'run'):
        pass


def test_the_lock_of_a_run_that_was_killed_is_taken_over(tmp_path):
    holder = subprocess.Popen([sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.read(1) == b'1'
        with pytest.raises(UserError, match=f'in use by process {holder.pid} '), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_told():
    from pathlib import Path

    with (
        pytest.raises(UserError, match=r"--workdir: '/proc/x' cannot be written to"),
        locked(Path('/proc/x')),
    ):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / 'precious').write_text('mine')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'lock').symlink_to(tmp_path / 'precious')
    with pytest.raises(UserError, match='cannot be written to'), locked(tmp_path / 'run'):
        pass
    assert (tmp_path / 'precious').read_text() == 'mine'
