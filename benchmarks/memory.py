"""The memory of this process, as Linux counts it."""

import contextlib
from pathlib import Path

PROCESS = Path('/proc/self')


def restart_peak() -> None:
    """Forgets the peak so far, so that what a compiler needed is not held against the step."""
    with contextlib.suppress(OSError):  # no Linux, or a container that may not: the peak is the process's own
        (PROCESS / 'clear_refs').write_text('5')


def peak_bytes() -> int | None:
    """The most that this process has held in memory since the last restart; None where nobody tells."""
    if not PROCESS.exists():
        return None
    lines = (PROCESS / 'status').read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith('VmHWM:')]
    return int(peak) * 1024
