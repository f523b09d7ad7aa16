"""Compiled programs: kept on disk unless the config says no, and made beside the run."""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import pytest

from gan_jax import loop
from gan_jax.compilation import Programs
from helpers import ROOT, flags, small_config


def test_a_run_keeps_what_it_compiled(tmp_path):
    command = [sys.executable, ROOT / 'train.py', f'--workdir={tmp_path / "run"}']
    others = [flag for flag in flags('gan', num_steps=2) if 'compilation_cache' not in flag]
    environment = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    del environment['JAX_COMPILATION_CACHE_DIR']  # the tests' own
    subprocess.run(
        [*command, *others, '--config.compilation_cache=True'],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert list((tmp_path / 'cache').rglob('jit_*'))


def test_a_run_keeps_nothing_if_the_config_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, 'keep_on_disk', lambda: pytest.fail('kept'))
    loop.train(small_config('points', num_steps=2, compilation_cache=False), tmp_path / 'run')


def test_a_program_is_compiled_beside_its_caller_and_once():
    programs = Programs()
    may_go_on, traced = threading.Event(), []

    def double(x):
        assert may_go_on.wait(60)
        traced.append(threading.current_thread())
        return 2 * x

    x, jitted = jnp.ones(3), jax.jit(double, donate_argnums=0)
    programs.prepare('double', jitted, x)
    assert not traced
    may_go_on.set()
    x = programs.run('double', jitted, x)
    x = programs.run('double', jitted, x)
    assert x.tolist() == [4, 4, 4]
    (thread,) = traced
    assert thread is not threading.current_thread()
    programs.close()


def test_what_does_not_compile_raises_where_it_is_run():
    programs = Programs()
    programs.prepare('bad', jax.jit(lambda x: x @ jnp.ones((4, 4))), jnp.ones(3))
    with pytest.raises(TypeError, match='dot_general'):
        programs.run('bad', jax.jit(lambda x: x), jnp.ones(3))
    programs.close()
