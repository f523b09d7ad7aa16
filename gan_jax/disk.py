"""Whether a disk has room, and what it said where it had none."""

import errno
import os
import shutil
from pathlib import Path

import jax


def check_room(folder: Path, state) -> None:
    """Raises OSError where the disk has no room for a state; what comes of that further on fills pages."""
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + 2**20
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f'{os.strerror(errno.ENOSPC)}: it takes {needed:,} bytes of {free:,} left'
        )


def why(error: Exception) -> str:
    """The cause of a failed write, out of what TensorStore says over pages."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    causes = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
    told = [cause for cause in causes if cause in str(error)]
    return told[0] if told else f'{type(error).__name__}: {error}'.partition('\n')[0][:300]
