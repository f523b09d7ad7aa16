"""Memory that was freed goes back to the system: what glibc keeps of it would grow for days on end."""

import contextlib
import ctypes
import os

# glibc's names and numbers; see mallopt(3).
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8


def bound() -> None:
    """Has large blocks go back as they are freed, smaller ones as soon as many lie together, in few heaps.

    XLA's memory for a dispatch is one block, asked for by now this thread and now that; by default each
    thread's heap would keep one, and there are eight heaps a core. Lower thresholds cost time, as each step
    asks for many small blocks. Call it at the start of the process, before there are threads.
    """
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(ARENA_MAX, os.cpu_count() or 1)
        mallopt(MMAP_THRESHOLD, 8 * 2**20)
        mallopt(TRIM_THRESHOLD, 16 * 2**20)


def trim() -> None:
    """Gives back what lies free by now, of the heaps of all threads."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
