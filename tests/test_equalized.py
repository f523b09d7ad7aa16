"""The layers of Progressive Growing against the same in NumPy, and on several devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import equalized


@pytest.mark.parametrize('scale', ['up', 'down'])
@pytest.mark.parametrize('size', [4, 6])
def test_fused_scaling_equals_scaling_apart(scale, size):
    x = jax.random.normal(jax.random.key(0), (2, size, size, 3))
    fused = equalized.EqualizedConv(5, scale=scale)
    apart = equalized.EqualizedConv(5, scale=scale, fused=False)
    variables = jax.jit(fused.init)(jax.random.key(1), x)

    @partial(jax.jit, static_argnums=0)
    def gradient_and_value(layer, variables):
        def loss(variables):
            y = layer.apply(variables, x)
            return jnp.sum(jnp.sin(y)), y

        return jax.grad(loss, has_aux=True)(variables)

    (gradient, y), (wanted_gradient, wanted_y) = (
        gradient_and_value(layer, variables) for layer in (fused, apart)
    )
    np.testing.assert_allclose(y, wanted_y, rtol=1e-5, atol=1e-5)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted_gradient), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_equalized_learning_rate_in_numpy():
    x = np.random.default_rng(0).normal(size=(7, 200)).astype(np.float32)
    layer = equalized.EqualizedDense(300, gain=0.5)
    params = layer.init(jax.random.key(0), x)['params']
    np.testing.assert_allclose([params['kernel'].mean(), params['kernel'].std()], [0, 1], atol=0.02)
    expected = x @ np.asarray(params['kernel']) * (0.5 / np.sqrt(200))
    np.testing.assert_allclose(layer.apply({'params': params}, x), expected, rtol=1e-4, atol=1e-5)
    # A convolution's unit has 3 · 3 · 8 inputs; at √2 a rectified signal keeps its mean square of 1.
    image = np.random.default_rng(1).normal(size=(4, 32, 32, 8)).astype(np.float32)
    conv = equalized.EqualizedConv(512)
    y = conv.apply(conv.init(jax.random.key(0), image), image)
    np.testing.assert_allclose(np.mean(np.asarray(jax.nn.relu(y))[:, 1:-1, 1:-1] ** 2), 1, rtol=0.05)


def test_pixel_norm_in_numpy():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 5)).astype(np.float32)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(equalized.pixel_norm(jnp.asarray(x)), expected, rtol=1e-5)


def test_minibatch_stddev_in_numpy():
    x = np.random.default_rng(0).normal(size=(8, 4, 4, 3)).astype(np.float32)
    result = np.asarray(equalized.minibatch_stddev(jnp.asarray(x), 4, None))
    np.testing.assert_array_equal(result[..., :3], x)
    for group in (slice(0, 4), slice(4, 8)):
        expected = np.sqrt(x[group].var(0) + 1e-8).mean()
        np.testing.assert_allclose(result[group, :, :, 3], expected, rtol=1e-5)
    # A batch below the group's size is one group.
    np.testing.assert_array_equal(
        equalized.minibatch_stddev(jnp.asarray(x[:2]), 4, None),
        equalized.minibatch_stddev(jnp.asarray(x[:2]), 2, None),
    )


def test_groups_that_a_device_holds_whole_are_those_of_the_batch():
    x = jax.random.normal(jax.random.key(0), (16, 4, 4, 3))
    alone = equalized.minibatch_stddev(x, 4, None)
    for num_devices in (2, 8):  # with two groups each, and with half a group
        shared = jax.pmap(
            lambda x: equalized.minibatch_stddev(x, 4, 'batch'),
            'batch',
            devices=jax.local_devices()[:num_devices],
        )(x.reshape(num_devices, -1, 4, 4, 3))
        np.testing.assert_allclose(np.asarray(shared).reshape(alone.shape), alone, rtol=1e-6)
