"""Memory that was freed goes back to the system: what glibc keeps of it would grow for days on end."""

import contextlib
import ctypes
import os
import threading
import time

# glibc's names and numbers; see mallopt(3).
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
TRIM_SECONDS = 5.0  # from one trim to the next


def bound() -> None:
    """Has large blocks go back as they are freed, and of one heap for all threads what lies free by now.

    XLA's memory for a dispatch is one block, asked for by now this thread and now that; by default each
    thread's heap would keep one. Lower thresholds cost time, as each step asks for many small blocks. Call
    it at the start of the process, before there are threads and NumPy.
    """
    # Where one of its arrays lay, the heap would for ever grow by 2 MiB where it grows at all.
    os.environ.setdefault('NUMPY_MADVISE_HUGEPAGE', '0')
    with contextlib.suppress(AttributeError):  # another C library
        glibc = ctypes.CDLL(None)
        glibc.mallopt(ARENA_MAX, 1)
        glibc.mallopt(MMAP_THRESHOLD, 8 * 2**20)
        glibc.mallopt(TRIM_THRESHOLD, 16 * 2**20)
        threading.Thread(target=_trim, args=(glibc.malloc_trim,), name='trim', daemon=True).start()


def _trim(malloc_trim) -> None:
    while True:
        time.sleep(TRIM_SECONDS)
        malloc_trim(0)
