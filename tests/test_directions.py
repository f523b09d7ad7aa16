"""Principal directions: those of the singular value decomposition, whatever the first layer is."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.directions import first_activations, of_activations, principal_directions
from helpers import make_gan, small_config

SINGULAR = np.array([8.0, 4.0, 2.0, 1.0, 0.5])


class Sampled(NamedTuple):
    """What the directions ask of a `GAN`."""

    sample: object


def orthogonal(seed, size):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def known_matrix(num_features=12):
    """[5, F] with the singular values SINGULAR, and its left singular vectors as rows."""
    left, right = orthogonal(0, 5), orthogonal(1, num_features)[:5]
    return (left * SINGULAR) @ right, left.T


def white(num, dim=5):
    """z [N, dim] whose covariance is exactly the identity, as that of a normal z is nearly."""
    z = np.random.default_rng(2).normal(size=(num, dim))
    return np.linalg.qr(z - z.mean(axis=0))[0] * np.sqrt(num)


class Linear(nn.Module):
    """A G with something around its first layer, and more behind it."""

    matrix: np.ndarray

    @nn.compact
    def __call__(self, z):
        project = lambda key, shape: jnp.asarray(self.matrix, jnp.float32)
        x = nn.Dropout(0.5, deterministic=True)(z)  # without parameters: not a layer of its own
        x = First(project, name='project')(x)
        return nn.Dense(3, name='last')(nn.relu(x))


class First(nn.Module):
    init: object

    @nn.compact
    def __call__(self, x):
        return x @ self.param('kernel', self.init, None)


def linear_gan(matrix):
    module = Linear(matrix)
    params = module.init(jax.random.key(0), jnp.zeros((1, 5)))['params']
    sample = lambda params, model_state, z, images_seen: {'generated': module.apply({'params': params}, z)}
    return Sampled(sample), (params, {})


def alike(steps, expected):
    """The cosines of the angles between lines along the rows of both."""
    norms = np.linalg.norm(steps, axis=1) * np.linalg.norm(expected, axis=1)
    return np.abs(np.sum(steps * expected, axis=1)) / norms


def test_directions_are_singular_vectors():
    matrix, left = known_matrix()
    z = white(2000)
    directions = of_activations(z, z @ matrix, 5)
    # One standard deviation of each component is one of z along its singular vector.
    np.testing.assert_allclose(np.linalg.norm(directions.steps, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(alike(directions.steps, left), 1, rtol=1e-5)
    np.testing.assert_allclose(directions.explained, SINGULAR**2 / np.sum(SINGULAR**2), rtol=1e-5)


def test_of_many_features_only_the_first_components():
    """More than the subspace has columns, falling slowly as those of real networks do."""
    rng = np.random.default_rng(3)
    activations = rng.normal(size=(600, 80)) * 0.97 ** np.arange(80) + 5.0
    z = activations[:, :60].copy()
    directions = of_activations(z, activations, 4)
    _, singular, right = np.linalg.svd(activations - activations.mean(axis=0), full_matrices=False)
    assert directions.steps.shape == (4, 60)
    np.testing.assert_allclose(directions.explained, (singular**2 / np.sum(singular**2))[:4], rtol=1e-3)
    # Here z is part of the activations, and moves with a component as that part does.
    assert (alike(directions.steps, right[:4, :60]) > 0.95).all()


def test_the_first_layer_with_parameters_is_found():
    matrix, left = known_matrix()
    gan, player = linear_gan(matrix)
    z = jnp.asarray(white(64), jnp.float32)
    found = jax.jit(lambda z: first_activations(gan, player, z, 0))(z)
    np.testing.assert_allclose(found, z @ matrix, rtol=1e-4, atol=1e-4)
    draw = lambda n: jax.random.normal(jax.random.key(1), (n, 5))
    directions = principal_directions(gan, player, draw, 0, number=2)
    assert directions.steps.shape == (2, 5)
    assert (alike(directions.steps, left[:2]) > 0.99).all()
    np.testing.assert_allclose(directions.explained, SINGULAR[:2] ** 2 / np.sum(SINGULAR**2), rtol=0.05)


def test_without_a_module_the_outputs_are_taken():
    gan = Sampled(lambda params, model_state, z, images_seen: {'generated': 2 * z[:, :2]})
    z = jnp.ones((3, 5))
    np.testing.assert_array_equal(first_activations(gan, ((), {}), z, 0), 2 * z[:, :2])


def test_what_g_ignores_has_no_direction():
    z = white(500)
    directions = of_activations(z, z @ np.diag([3.0, 1.0, 0, 0, 0]), 5)
    assert directions.steps.shape == (2, 5)
    np.testing.assert_allclose(np.abs(directions.steps), np.eye(2, 5), atol=1e-5)
    assert of_activations(z, np.ones((500, 7)), 5).steps.shape == (0, 5)


@pytest.mark.parametrize('system', ['gan', 'dcgan', 'progan', 'points'])
def test_every_generator_of_z_has_directions(system):
    config = small_config(system)
    gan = make_gan(config)
    batch = {'image': jnp.zeros((1, 8, 8, 1)), 'position': jnp.arange(1)}
    if system == 'points':
        batch['image'] = jnp.zeros((1, 2))
    elif system == 'dcgan':
        batch['image'] = jnp.zeros((1, 16, 16, 1))
    params, model_state, _ = jax.jit(gan.init)(jax.random.key(0), batch)
    draw = lambda n: gan.sample_inputs(jax.random.key(1), n, batch)
    player = (params['generator'], model_state['generator'])
    directions = principal_directions(gan, player, draw, 0, number=10)
    dim = config.gan.latent_dim
    assert directions.steps.shape == (min(10, dim), dim)
    assert np.isfinite(directions.steps).all()
    assert (np.diff(directions.explained) <= 0).all()
    assert 0 < directions.explained.sum() <= 1 + 1e-5
