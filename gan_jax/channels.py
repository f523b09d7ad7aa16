"""Sums over everything but the channels and, the other way round, a number for each channel spread out.

Each is the other's gradient, so that both differentiate any number of times (in reverse mode).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

_custom_vjp: Any = functools.partial(jax.custom_vjp, nondiff_argnums=(0,))


def sum_to_channels(x: jax.Array) -> jax.Array:
    """[…, C] -> [C]."""
    return _sum(x.shape, x)


def spread(channels: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """[C] -> `shape`, […, C]."""
    return _spread(shape, channels)


def at_least_float32(x: jax.Array) -> jax.Array:
    """For what bfloat16 is too coarse for: sums, and what a network gives."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


@_custom_vjp
def _sum(shape, x):
    if len(shape) < 3 or jax.default_backend() != 'cpu':
        return x.sum(range(len(shape) - 1))
    # Rows first: fused with what gives its terms, the sum over all at once is ten times slower (jaxlib 0.10).
    row = at_least_float32(x).reshape(-1, shape[-2] * shape[-1]).sum(0)
    return row.reshape(shape[-2:]).sum(0).astype(x.dtype)


@_custom_vjp
def _spread(shape, channels):
    return jnp.broadcast_to(channels, shape)


_sum.defvjp(lambda shape, x: (_sum(shape, x), None), lambda shape, _, dy: (_spread(shape, dy),))
_spread.defvjp(lambda shape, x: (_spread(shape, x), None), lambda shape, _, dy: (_sum(shape, dy),))
