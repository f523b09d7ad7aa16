"""The building blocks: norms, maxout, dropout, sums over pixels, z, flips and interpolation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gan_jax import augment, channels, latents, layers


def test_spectral_norm_finds_the_largest_singular_value():
    layer = layers.Conv(6, (3, 3), 1, 1, spectral_norm=True)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
    variables = layer.init(jax.random.key(1), x)
    for _ in range(100):
        _, updated = layer.apply(variables, x, mutable=['spectral_norm'])
        variables = {**variables, **updated}
    kernel = variables['params']['kernel']
    largest = np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0]
    plain = layers.Conv(6, (3, 3), 1, 1)
    expected = plain.apply({'params': {**variables['params'], 'kernel': kernel / largest}}, x)
    np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-3, atol=1e-5)


def test_spectral_norm_keeps_its_vectors_when_nothing_may_change():
    layer = layers.Conv(6, (3, 3), spectral_norm=True)
    x = jnp.ones((1, 4, 4, 2))
    variables = layer.init(jax.random.key(1), x)
    _, first = layer.apply(variables, x, mutable=['spectral_norm'])
    assert np.any(first['spectral_norm']['u'] != variables['spectral_norm']['u'])
    np.testing.assert_array_equal(layer.apply(variables, x), layer.apply(variables, x))


def test_maxout_takes_the_largest_piece():
    np.testing.assert_array_equal(
        layers.maxout(jnp.array([[1.0, 5.0, 2.0, -3.0, -1.0, -2.0]]), 3), [[5.0, -1.0]]
    )


def test_dropout_keeps_its_share_and_the_expectation():
    keys = latents.example_keys(jax.random.key(0), jnp.arange(100))
    x = layers.dropout(jnp.ones((100, 1000)), 0.8, keys)
    np.testing.assert_allclose(np.unique(x), [0, 1.25])
    np.testing.assert_allclose((x > 0).mean(), 0.8, atol=0.005)
    assert not np.array_equal(x[0], x[1])
    assert layers.dropout(jnp.ones((100, 7)), 0.5, keys).shape == (100, 7)  # half a random word is left over


def test_an_example_draws_the_same_wherever_it_is_drawn():
    rng = jax.random.key(3)
    for draw in latents.LATENTS.values():
        whole = draw(latents.example_keys(rng, jnp.arange(8)), 5)
        share = draw(latents.example_keys(rng, jnp.arange(4, 8)), 5)
        np.testing.assert_array_equal(whole[4:], share)


def test_latents_have_their_distributions():
    keys = latents.example_keys(jax.random.key(0), jnp.arange(1000))
    for name, distribution in {
        'normal': stats.norm(),
        'inverse_transform': stats.norm(),
        'uniform': stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
    }.items():
        z = np.asarray(latents.LATENTS[name](keys, 20)).reshape(-1)
        assert stats.kstest(z, distribution.cdf).pvalue > 0.01, name
        np.testing.assert_allclose([z.mean(), z.var()], [0, 1], atol=0.03)


def test_jax_too_makes_its_normal_numbers_by_inverse_transform():
    keys = latents.example_keys(jax.random.key(0), jnp.arange(100))
    np.testing.assert_allclose(
        latents.inverse_transform(keys, 20), latents.normal(keys, 20), rtol=1e-3, atol=1e-5
    )


def test_interpolation_walks_the_great_circle():
    start, end = jnp.array([2.0, 0.0, 0.0]), jnp.array([0.0, 2.0, 0.0])
    points = latents.spherical_interpolation(start, end, jnp.linspace(0, 1, 5))
    np.testing.assert_allclose(points[0], start, atol=1e-6)
    np.testing.assert_allclose(points[-1], end, atol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(points, axis=1), 2.0, rtol=1e-6)
    np.testing.assert_allclose(points[2], [2**0.5, 2**0.5, 0], rtol=1e-6)
    same = latents.spherical_interpolation(start, start, jnp.linspace(0, 1, 3))
    np.testing.assert_allclose(same, jnp.stack([start] * 3))


def test_images_are_minus_one_to_one_and_flips_mirror_some_of_them():
    np.testing.assert_allclose(augment.normalize(jnp.array([0, 255], jnp.uint8)), [-1, 1])
    images = jax.random.normal(jax.random.key(0), (64, 2, 3, 1))
    flipped = augment.random_flip(images, latents.example_keys(jax.random.key(1), jnp.arange(64)))
    mirrored = [bool(np.array_equal(a, b[:, ::-1])) for a, b in zip(images, flipped, strict=True)]
    kept = [bool(np.array_equal(a, b)) for a, b in zip(images, flipped, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


def test_our_layers_are_flax_layers_with_the_same_numbers():
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    ours, flax = layers.Conv(5, (4, 4), 2, 1), nn.Conv(5, (4, 4), 2, 1)
    variables = flax.init(jax.random.key(1), x)
    np.testing.assert_allclose(ours.apply(variables, x), flax.apply(variables, x), rtol=1e-4, atol=1e-5)
    transposed = layers.ConvTranspose(5, (4, 4), 2, 1)
    flax_transposed = nn.ConvTranspose(5, (4, 4), (2, 2), 'SAME', transpose_kernel=True)
    variables = transposed.init(jax.random.key(1), x)
    np.testing.assert_allclose(
        transposed.apply(variables, x), flax_transposed.apply(variables, x), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('shape', [(6, 5, 4, 3), (32, 7)])
@pytest.mark.parametrize('use_running_average', [False, True])
def test_batch_norm_is_flaxs_to_second_gradients(shape, use_running_average):
    flags = {'use_running_average': use_running_average, 'momentum': 0.9, 'epsilon': 1e-5}
    x = 3 + 2 * jax.random.normal(jax.random.key(0), shape)
    variables = {
        'params': {'scale': jnp.linspace(0.5, 2, shape[-1]), 'bias': jnp.linspace(-1, 1, shape[-1])},
        'batch_stats': {'mean': jnp.linspace(0, 4, shape[-1]), 'var': jnp.linspace(1, 5, shape[-1])},
    }

    def all_of(layer):
        def loss(params, x):
            y, updated = layer.apply({**variables, 'params': params}, x, mutable=['batch_stats'])
            return jnp.sum(jnp.sin(y)), (y, updated)

        def penalty(params, x):
            gradients, aux = jax.grad(loss, (0, 1), has_aux=True)(params, x)
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(gradients)), (gradients, aux)

        return jax.jit(jax.grad(penalty, (0, 1), has_aux=True))(variables['params'], x)

    ours, flaxs = all_of(layers.BatchNorm(**flags)), all_of(nn.BatchNorm(**flags))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(flaxs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())
    init = lambda layer: layer.init(jax.random.key(1), x)
    for a, b in zip(
        jax.tree.leaves_with_path(init(layers.BatchNorm(**flags))),
        jax.tree.leaves_with_path(init(nn.BatchNorm(**flags))),
        strict=True,
    ):
        assert a[0] == b[0]
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('shape', [(5,), (3, 5), (2, 3, 5), (4, 3, 2, 5)])
def test_sums_over_pixels_and_what_they_are_the_gradients_of(shape, dtype):
    x = jax.random.normal(jax.random.key(0), shape, dtype)
    wanted = np.asarray(x, np.float32).sum(tuple(range(len(shape) - 1)))
    total = channels.sum_to_channels(x)
    assert total.dtype == x.dtype
    np.testing.assert_allclose(np.asarray(total, np.float32), wanted, rtol=1e-2, atol=2e-2)
    spread = channels.spread(total, shape)
    np.testing.assert_array_equal(spread, jnp.broadcast_to(total, shape))
    slopes = jnp.linspace(1, 2, 5).astype(dtype)
    of_sum = jax.grad(lambda x: jnp.sum(slopes * channels.sum_to_channels(x)))(x)
    np.testing.assert_array_equal(of_sum, jnp.broadcast_to(slopes, shape))
    of_spread = jax.grad(lambda v: jnp.sum(x * channels.spread(v, shape)))(slopes)
    np.testing.assert_array_equal(of_spread, total)


def test_hand_counts():
    assert layers.dense_flops(3, 4) == 24
    # 4 pixels, kernel 4, stride 2, padding 1: two places along each axis, each with three taps inside.
    assert layers.conv_flops(4, 4, 2, 1, 1, 1) == 2 * 6**2
    assert layers.conv_flops(4, 4, 1, 0, 2, 3) == 2 * 16 * 6


def test_instance_norm_in_numpy():
    x = np.random.default_rng(0).normal(2, 3, (2, 5, 4, 3)).astype(np.float32)
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(layers.instance_norm(jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)


def test_reflection_leaves_the_edge_itself_out():
    row = jnp.arange(4.0)[None, None, :, None] * jnp.ones((1, 4, 1, 1))
    reflected = layers.reflect(row, 2)
    assert reflected.shape == (1, 8, 8, 1)
    assert reflected[0, 0, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 2, 1]
