"""Weights of a feature network that nobody has trained: the same numbers on every machine."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.weights import named_arrays


def uniform(name, shape):
    """Numbers in [0, 1) that depend on the name alone."""
    raw = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape).astype(np.float32)


def random_weights(module, channels=3):
    """{PyTorch's name: array in PyTorch's order of axes} of all that a module asks for."""
    like = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 32, 32, channels)))
    weights = named_arrays(jax.tree.map(lambda x: np.zeros(x.shape, np.float32), like))
    for name, array in weights.items():
        numbers = uniform(name, array.shape)
        if array.ndim > 1:  # so that what goes through keeps its size
            weights[name] = (numbers - 0.5) * np.float32(np.sqrt(24 / np.prod(array.shape[1:])))
        else:
            is_scale = name.endswith(('running_var', 'bn.weight'))
            weights[name] = numbers + 0.5 if is_scale else numbers - 0.5
    return weights


def pictures(number, size, channels=3):
    """uint8 [number, size, size, channels]: smooth below, noise above."""
    ramp = np.linspace(0, 200, size, dtype=np.float32)[None, :, None, None]
    noise = uniform('pictures', (number, size, size, channels)) * 55
    return (ramp + noise).astype(np.uint8)
