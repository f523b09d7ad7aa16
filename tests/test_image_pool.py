"""The pool of earlier fakes against the same as a Python list."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import image_pool
from gan_jax.latents import example_keys


@partial(jax.jit, static_argnums=1)
def toss(key, size):
    coin, place = jax.random.split(key)
    return jax.random.bernoulli(coin), jax.random.randint(place, (), 0, size)


class Reference:
    """The pool as its authors have it; where their coin falls is asked of our keys."""

    def __init__(self, size):
        self.size, self.images = size, []

    def query(self, image, key):
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        is_heads, place = toss(key, self.size)
        if not is_heads:
            return image
        self.images[place], old = image, self.images[place]
        return old


@pytest.mark.parametrize('batch_size', [1, 8])
def test_a_thousand_queries_equal_a_list(batch_size):
    """Images of one pixel that hold their number."""
    pool, reference = image_pool.empty(50, (1, 1, 1)), Reference(50)
    query = jax.jit(partial(image_pool.query, axis_name=None))
    came_back, positions = [], jnp.arange(batch_size)
    for step in range(1000 // batch_size):
        rng = jax.random.fold_in(jax.random.key(0), step)
        numbers = step * batch_size + np.arange(batch_size)
        images = jnp.asarray(numbers, jnp.float32).reshape(-1, 1, 1, 1)
        taken, pool = query(pool, images, rng, positions)
        keys = example_keys(rng, positions)
        expected = [reference.query(number, key) for number, key in zip(numbers, keys, strict=True)]
        np.testing.assert_array_equal(taken.ravel(), expected)
        np.testing.assert_array_equal(pool.images.ravel()[: len(reference.images)], reference.images)
        assert int(pool.count) == len(reference.images)
        came_back += list(numbers != expected)
    assert not any(came_back[:50])
    np.testing.assert_allclose(np.mean(came_back[50:]), 0.5, atol=0.05)


def test_devices_share_one_pool():
    images = jax.random.normal(jax.random.key(0), (5, 16, 2, 2, 1))
    alone, shared = (image_pool.empty(20, (2, 2, 1)) for _ in range(2))
    query = jax.pmap(
        partial(image_pool.query, axis_name='batch'),
        'batch',
        in_axes=(None, 0, None, 0),
        out_axes=(0, None),
    )
    for step, batch in enumerate(images):
        rng = jax.random.key(step)
        expected, alone = image_pool.query(alone, batch, rng, jnp.arange(16), None)
        taken, shared = query(shared, batch.reshape(8, 2, 2, 2, 1), rng, jnp.arange(16).reshape(8, 2))
        np.testing.assert_array_equal(taken.reshape(expected.shape), expected)
        for a, b in zip(jax.tree.leaves(shared), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a, b)
