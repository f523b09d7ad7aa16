"""The one jaxlib that computes wrong results on CPUs is refused, and the one at hand is not like it."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from helpers import ROOT

LINE = 'jaxlib 0.10.2 computes wrong results on CPUs (jax issue 39103): pip install -r requirements.txt\n'


def test_the_reduction_that_jaxlib_0_10_2_miscompiles():
    i = jnp.arange(32769, dtype=jnp.float32)
    x = jnp.stack([i, 0 * i, 0 * i], 1)
    squared_norms = jax.jit(jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2)))(x)
    assert float(squared_norms[-1]) == 1073741824.0


def run_with_jaxlib(version, code):
    pretend = (
        'import importlib.metadata as metadata, runpy, sys\n'
        'installed = metadata.version\n'
        f'metadata.version = lambda name: {version!r} if name == "jaxlib" else installed(name)\n'
    )
    return subprocess.run(
        [sys.executable, '-c', pretend + code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    'code',
    [
        'sys.argv = ["train.py", "--help"]; runpy.run_path("train.py", run_name="__main__")',
        'sys.argv = ["sample", "--help"]; runpy.run_module("gan_jax.sample", run_name="__main__")',
        'import gan_jax',
    ],
)
def test_jaxlib_0_10_2_is_refused_in_one_line(code):
    ended = run_with_jaxlib('0.10.2', code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, '', LINE)


def test_its_neighbours_are_taken():
    for version in ('0.10.1', '0.10.20', '0.11.0'):
        ended = run_with_jaxlib(version, 'import gan_jax')
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, '', '')
