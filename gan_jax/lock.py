"""One run at a time in a workdir."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from gan_jax.base import UserError
from gan_jax.cli import unwritable


@contextlib.contextmanager
def locked(workdir: Path):
    """Keeps other runs out of `workdir`, which is made where it is missing.

    The system lets go of the lock when the process ends, however it ends: nobody has to
    clean up after a kill.

    Raises:
        UserError: another run is in there, or nothing can be written.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        # Not through a link, which would have the file that it leads to written over.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        file = open(os.open(workdir / 'lock', flags, 0o644), 'ab+', buffering=0)  # noqa: SIM115
    except OSError as error:
        raise unwritable('--workdir', workdir, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.readline(200).decode(errors='replace').strip() or 'another run'
            raise UserError(
                f'--workdir: {str(workdir)!r} is in use by {holder}; '
                'takes another folder, or the end of that run'
            ) from None
        except OSError:
            pass  # a file system without locks, which cannot keep anybody out
        with contextlib.suppress(OSError):  # it says who has it, and a full disk has no room for that
            file.truncate(0)
            file.write(f'process {os.getpid()} on {socket.gethostname()}\n'.encode())
        yield
