"""The count of a step's arithmetic: every turn of every loop."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.flops import step_flops

MATRIX = jnp.ones((32, 32))
PRODUCT = 2 * 32**3


def repeated(times, unroll, inner=lambda x: x @ MATRIX):
    def step(state, batch):
        return jax.lax.scan(lambda x, _: (inner(x), None), state, None, times, unroll=unroll)

    return step


@pytest.mark.parametrize(('times', 'unroll'), [(1, 1), (6, 1), (6, 3), (6, 4), (6, 6)])
def test_all_turns_of_a_loop_count(times, unroll):
    assert step_flops(repeated(times, unroll), MATRIX, ()) == pytest.approx(times * PRODUCT, rel=0.01)


def test_loops_in_loops_and_in_functions_count():
    twice = jax.checkpoint(jax.jit(lambda x: repeated(2, 1)(x, ())[0]))
    assert step_flops(repeated(3, 1, twice), MATRIX, ()) == pytest.approx(6 * PRODUCT, rel=0.01)
