"""Eight CPU devices, strict rank promotion, and little time spent on compiling: set before JAX starts.

And what several files of tests take: a command that must be refused, a run to spoil.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
from importlib.metadata import version

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUM_CPU_DEVICES'] = '8'
# Tests take few steps of many programs, often the same one in several processes. Each of them is small, and
# to compile it in several parts at once costs more than it gives.
os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} --xla_cpu_parallel_codegen_split_count=1'
if version('jaxlib').startswith('0.10.'):  # later ones do not know it and would abort
    os.environ['XLA_FLAGS'] += ' --xla_cpu_use_fusion_emitters=false'
if 'PYTEST_XDIST_WORKER' not in os.environ:
    cache = tempfile.TemporaryDirectory(prefix='gan_jax_tests_')  # gone when the tests are
    os.environ['JAX_COMPILATION_CACHE_DIR'] = cache.name
    os.environ['XDG_CACHE_HOME'] = cache.name
    os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
    os.environ['JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES'] = '-1'

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Tracing makes many objects, few of them garbage, and a sixth of test_gans.py's time went into looking.
gc.set_threshold(50_000, 20, 50)
# Commands are to be interrupted, even where a shell has the tests in its background and ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_run_outlives_its_test():
    """A test that fails half-way leaves its runs behind."""
    yield
    for process in getattr(sys.modules.get('runs'), 'STARTED', []):
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """`refused(main, arguments, *texts)`: runs a command that must fail by the contract and say the texts."""
    from commands import tree  # not by every test
    from gan_jax import cli

    monkeypatch.chdir(tmp_path)

    def check(main, arguments, *texts):
        before = tree(tmp_path)
        capsys.readouterr()
        monkeypatch.setattr(sys, 'argv', ['command', *map(str, arguments)])
        assert cli.run(main) == 2
        out, err = capsys.readouterr()
        assert out == ''
        assert err.endswith('\n')
        assert err.count('\n') == 1, err
        for text in texts:
            assert text in err
        assert tree(tmp_path) == before

    return check


@pytest.fixture(scope='session')
def finished_run(tmp_path_factory):
    """A workdir with a checkpoint of an untrained GAN at step 0."""
    from commands import make_run

    workdir = tmp_path_factory.mktemp('runs') / 'finished'
    make_run(workdir)
    return workdir


@pytest.fixture
def workdir(finished_run, tmp_path):
    """A copy of `finished_run` that a test may spoil."""
    return shutil.copytree(finished_run, tmp_path / 'run')
