"""How much arithmetic a step is, as XLA counts it."""

import os
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun, jaxprs_in_params
from jax.extend.core.primitives import scan_p

from gan_jax.base import UserError
from gan_jax.convolution import plain_convolutions
from gan_jax.parallel import QUICK_TO_COMPILE


def step_flops(step: Callable, state, batch) -> float:
    """XLA's count for one step on plain convolutions, whose work is that of the equations.

    Compiled for a CPU, as on a GPU XLA hands convolutions and products to libraries and counts none of them.

    Args:
        step: `(state, batch) -> (state, metrics)`.
        state, batch: what it takes, or the shapes of it.

    Raises:
        UserError: JAX has been told to leave the CPU alone.
    """
    try:
        cpu = jax.local_devices(backend='cpu')[0]
    except RuntimeError:
        platforms = os.environ.get('JAX_PLATFORMS', '')
        raise UserError(
            f'JAX_PLATFORMS: {platforms!r} will not do to count operations; takes {platforms},cpu'
        ) from None
    with plain_convolutions(), jax.default_device(cpu):
        # A function of its own, as JAX would find the other form's trace under the same one.
        return _count(jax.make_jaxpr(lambda state, batch: step(state, batch))(state, batch))


def _count(program) -> float:
    """What XLA counts, with all that a scan repeats, of which XLA counts one turn."""
    function = jax.jit(jaxpr_as_fun(program), compiler_options=QUICK_TO_COMPILE)
    costs: Any = function.lower(*program.in_avals).compile().cost_analysis()
    return costs['flops'] + sum(turns * _count(body) for turns, body in _loops(program.jaxpr) if turns)


def _loops(program):
    """(turns that XLA leaves out, body) of each scan, however deep inside."""
    for operation in program.eqns:
        turns_counted = 1
        if operation.primitive is scan_p:
            length, unroll = operation.params['length'], operation.params['unroll']
            turns_counted = unroll + length % unroll
            yield length - turns_counted, operation.params['jaxpr']
        for inside in jaxprs_in_params(operation.params):
            for turns, body in _loops(inside):
                yield turns_counted * turns, body
