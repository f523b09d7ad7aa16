"""Losses against constants worked out by hand, penalties against gradients known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import regularizers
from gan_jax.losses import LOSSES

REAL, FAKE = jnp.array([2.0, 0.0]), jnp.array([-1.0, 1.0])
# softplus(t) = log(1 + e^t) is 0.126928 at -2, 0.693147 at 0, 1.313262 and 0.313262 at ±1
EXPECTED = {
    'minimax': ((0.126928 + 0.693147) / 2 + (0.313262 + 1.313262) / 2, -(0.313262 + 1.313262) / 2),
    'non_saturating': ((0.126928 + 0.693147) / 2 + (0.313262 + 1.313262) / 2, (1.313262 + 0.313262) / 2),
    'least_squares': ((1 + 1) / 2 + (1 + 1) / 2, (4 + 0) / 2),
    'hinge': ((0 + 1) / 2 + (0 + 2) / 2, 0.0),
    'wasserstein': (0.0 - 1.0, 0.0),
    # Pairs (2, -1) and (0, 1): D sees fake - real = -3 and 1, softplus(-3) = 0.048587, softplus(3) = 3.048587
    'relativistic': ((0.048587 + 1.313262) / 2, (3.048587 + 0.313262) / 2),
}


def test_every_loss_has_its_constants():
    assert set(EXPECTED) == set(LOSSES)


@pytest.mark.parametrize('name', EXPECTED)
def test_losses_against_constants(name):
    discriminator, generator = EXPECTED[name]
    np.testing.assert_allclose(LOSSES[name].discriminator(REAL, FAKE), discriminator, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(LOSSES[name].generator(REAL, FAKE), generator, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', EXPECTED)
def test_losses_stay_finite_however_sure_the_discriminator_is(name):
    real, fake = jnp.array([1e4, -1e4]), jnp.array([-1e4, 1e4])
    for loss in (LOSSES[name].discriminator, LOSSES[name].generator):
        value, gradient = jax.value_and_grad(lambda fake, loss=loss: loss(real, fake))(fake)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


def test_the_non_saturating_loss_keeps_its_gradient_where_minimax_has_lost_it():
    slope = lambda name, logit: jax.grad(lambda fake: LOSSES[name].generator(REAL[:1], fake))(
        jnp.array([logit])
    )[0]
    np.testing.assert_allclose(slope('minimax', -6.0), -1 / (1 + np.exp(6)), rtol=1e-5)
    np.testing.assert_allclose(slope('non_saturating', -6.0), 1 / (1 + np.exp(-6)) * -1, rtol=1e-5)


WEIGHTS = jnp.array([[3.0, 0.0], [0.0, 4.0]]).reshape(2, 2, 1)


def linear(images):  # ∇D = WEIGHTS everywhere, ‖∇D‖ = 5
    return jnp.sum(images * WEIGHTS[None], axis=(1, 2, 3))


def quadratic(images):  # ∇D(x) = x
    return 0.5 * jnp.sum(images**2, axis=(1, 2, 3))


def test_penalties_against_closed_forms():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 3, 2, 2, 1)).astype(np.float32)
    mix = np.array([0.0, 0.25, 1.0], np.float32)
    np.testing.assert_allclose(
        regularizers.gradient_penalty(linear, real, fake, mix), (5 - 1) ** 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        regularizers.gradient_penalty(linear, real, fake, mix, 750.0), 745.0**2, rtol=1e-5
    )
    between = real + mix.reshape(-1, 1, 1, 1) * (fake - real)
    norms = np.sqrt((between**2).sum((1, 2, 3)))
    np.testing.assert_allclose(
        regularizers.gradient_penalty(quadratic, real, fake, mix), ((norms - 1) ** 2).mean(), rtol=1e-5
    )
    for discriminator, penalty in ((linear, 12.5), (quadratic, 0.5 * (real**2).sum() / 3)):
        gradients = jax.grad(lambda images: jnp.sum(discriminator(images)))(real)  # noqa: B023
        np.testing.assert_allclose(regularizers.zero_centered(gradients), penalty, rtol=1e-5)
    np.testing.assert_allclose(regularizers.drift(jnp.array([1.0, -3.0])), 5.0)


def test_the_penalties_own_gradient_against_its_closed_form():
    real = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype(np.float32)
    scaled = lambda c: lambda images: c * quadratic(images)
    # ½ E‖c x‖² has slope c E‖x‖²
    np.testing.assert_allclose(
        jax.grad(lambda c: regularizers.zero_centered(c * real))(2.0), 2 * (real**2).sum() / 3, rtol=1e-5
    )
    # E(c ‖x‖ - 1)² has slope 2 E (c ‖x‖ - 1) ‖x‖
    norms = np.sqrt((real**2).sum((1, 2, 3)))
    np.testing.assert_allclose(
        jax.grad(lambda c: regularizers.gradient_penalty(scaled(c), real, real, np.zeros(3, np.float32)))(
            2.0
        ),
        (2 * (2 * norms - 1) * norms).mean(),
        rtol=1e-5,
    )


def test_a_flat_discriminator_gives_a_finite_penalty():
    images = jnp.zeros((2, 2, 2, 1))
    flat = lambda scale: lambda images: scale * quadratic(images)
    gradient = jax.grad(lambda c: regularizers.gradient_penalty(flat(c), images, images, jnp.zeros(2)))(1.0)
    assert np.isfinite(gradient)
