"""Memory that was freed goes back to the system."""

import os
import subprocess
import sys

import pytest

from helpers import ROOT

# Blocks of both kinds, freed but for the last, which keeps the heap from shrinking by itself.
PROGRAM = """
from gan_jax import heap

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * {page} / 2**20

heap.bound()
before = resident()
blocks = [b'x' * {size} for _ in range({number})]
full = resident()
del blocks[:-1]
{trim}
print(full - before, resident() - before)
"""


@pytest.mark.skipif('CS_GNU_LIBC_VERSION' not in os.confstr_names, reason='the settings are those of glibc')
@pytest.mark.parametrize(
    ('size', 'number', 'trim'),
    [(16 * 2**20, 12, ''), (50_000, 4000, 'heap.trim()')],
    ids=['large at once', 'small when trimmed'],
)
def test_freed_memory_goes_back(size, number, trim):
    program = PROGRAM.format(page=os.sysconf('SC_PAGE_SIZE'), size=size, number=number, trim=trim)
    out = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    full, left = map(float, out.split())
    assert full > 180
    assert left < 20
