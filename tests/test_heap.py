"""Memory that was freed goes back to the system."""

import os
import subprocess
import sys

import pytest

from helpers import ROOT, flags
from runs import end, start

HERE = """
import threading, time
from gan_jax import heap

heap.TRIM_SECONDS = 0.1

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * {page} / 2**20

"""
# Large blocks come and go in many threads, as XLA's memory for a dispatch does.
LARGE = """
def work():
    for _ in range(4):
        bytearray(b'x' * (6 * 2**20))

{heap}
before = resident()
threads = [threading.Thread(target=lambda: (work(), all_done.wait(), leave.wait())) for _ in range(8)]
all_done, leave = threading.Barrier(9), threading.Event()
for thread in threads:
    thread.start()
all_done.wait()
time.sleep(1)
print(resident() - before)
leave.set()
"""
# Small ones, freed but for the last, which keeps the heap from shrinking by itself.
SMALL = """
{heap}
before = resident()
blocks = [b'x' * 50_000 for _ in range(4000)]
del blocks[:-1]
time.sleep(1)
print(resident() - before)
"""
glibc = pytest.mark.skipif('CS_GNU_LIBC_VERSION' not in os.confstr_names, reason='the settings are glibc’s')


@glibc
@pytest.mark.parametrize('program', [LARGE, SMALL], ids=['large', 'small'])
def test_freed_memory_goes_back(program):
    """As it does not without."""
    left = {}
    for call in ('heap.bound()', ''):
        code = HERE.format(page=os.sysconf('SC_PAGE_SIZE')) + program.format(heap=call)
        out = subprocess.run(
            [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        left[call] = float(out.stdout)
    assert left['heap.bound()'] < 20
    assert left[''] > 80


def test_a_run_begins_with_it(tmp_path):
    """Before JAX has threads and NumPy has read how to ask for memory."""
    notes = (
        'from gan_jax import heap\n'
        "before(heap, 'bound', lambda: print('bound', {'jax', 'numpy'} & {*sys.modules}))"
    )
    process = start([*flags('gan'), f'--workdir={tmp_path}'], trouble=notes)
    out, err = end(process)
    assert process.returncode == 0, err
    assert out.splitlines()[0] == 'bound set()'
