"""The one step: two systems and a toy with two generators go through it unchanged."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.base import GAN, Aux
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step
from helpers import make_gan, plain_step, single_step, small_config

RATE = 0.1


def toy(critic_steps):
    """Two scaling generators and a linear D, small enough to update by hand."""
    generate = lambda params, state, batch, rng: (
        {'a': params['a'] * batch['z'], 'b': params['b'] * batch['z']},
        (),
    )
    fakes = lambda outputs: jnp.mean(outputs['a'] + outputs['b'])
    discriminator = lambda w, outputs, state, batch, rng: (
        w * (fakes(outputs) - jnp.mean(batch['x'])),
        Aux((), {}),
    )
    weight = lambda params: (
        0.5 * (params['a'] ** 2 + params['b'] ** 2)
    )  # reaches G directly, not through outputs
    generator = lambda params, outputs, state, batch, rng: (
        weight(params) - state.params['discriminator'] * fakes(outputs),
        Aux((), {}),
    )
    return GAN(
        init=lambda rng, batch: (
            {'generator': {'a': jnp.float32(1), 'b': jnp.float32(2)}, 'discriminator': jnp.float32(0.5)},
            {'generator': (), 'discriminator': ()},
            (),
        ),
        optimizers={'discriminator': optax.sgd(RATE), 'generator': optax.sgd(RATE)},
        generate=generate,
        losses={'discriminator': discriminator, 'generator': generator},
        sample_inputs=lambda rng, n, batch: batch['z'],
        sample=lambda params, model_state, inputs: {'a': params['a'] * inputs},
        judge=lambda *_: {},
        least_flops=lambda batch_size: 0,
        critic_steps=critic_steps,
    )


@pytest.mark.parametrize('critic_steps', [1, 3])
def test_a_toy_with_two_generators_updates_as_by_hand(critic_steps):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, critic_steps, 4)).astype(np.float32)
    batch = {'x': x, 'z': z} if critic_steps > 1 else {'x': x[0], 'z': z[0]}
    gan = toy(critic_steps)
    state = create_train_state(jax.random.key(0), batch, gan)
    state, metrics = jax.jit(partial(train_step, gan=gan, ema=4.0, axis_name=None))(state, batch)

    a, b, w = 1.0, 2.0, 0.5
    for i in range(critic_steps):
        w -= RATE * ((a + b) * z[i].mean() - x[i].mean())
    slope = w * z[-1].mean()  # of the updated D
    new_a, new_b = a - RATE * (a - slope), b - RATE * (b - slope)
    np.testing.assert_allclose(state.params['discriminator'], w, rtol=1e-5)
    np.testing.assert_allclose(state.params['generator']['a'], new_a, rtol=1e-5)
    np.testing.assert_allclose(state.params['generator']['b'], new_b, rtol=1e-5)
    keep = 0.5**critic_steps  # 4 images for each minibatch, half-life 4
    np.testing.assert_allclose(state.ema_params['a'], keep * a + (1 - keep) * new_a, rtol=1e-5)
    assert state.images_seen == 4 * critic_steps
    np.testing.assert_allclose(metrics['generator_gradient_norm'], np.hypot(a - slope, b - slope), rtol=1e-5)


@pytest.mark.parametrize(
    ('system', 'loss'),
    [
        ('gan', 'non_saturating'),
        pytest.param('gan', 'relativistic', marks=pytest.mark.slow),
        pytest.param('dcgan', 'non_saturating', marks=pytest.mark.slow),
        ('dcgan', 'relativistic'),
        ('progan', 'wasserstein'),
        ('points', 'relativistic'),
    ],
)
def test_both_players_follow_their_own_gradient(system, loss):
    """Against the textbook: a loss per player that generates its own fakes, from the same z."""
    config = small_config(system, gan__loss=loss)
    sgd = {'discriminator': optax.sgd(RATE), 'generator': optax.sgd(RATE)}
    step, state, batch = single_step(config, optimizers=sgd)
    new_state, _ = step(state, batch)
    gan = make_gan(config)
    rng = jax.random.fold_in(jax.random.fold_in(state.rng, 0), 0)

    def loss_of(player, params, state, turn):
        generator_params = params if player == 'generator' else state.params['generator']
        outputs, _ = gan.generate(generator_params, state, batch, jax.random.fold_in(rng, 0))
        return gan.losses[player](params, outputs, state, batch, jax.random.fold_in(rng, turn))

    gradient_of = lambda player: jax.jit(jax.grad(partial(loss_of, player), has_aux=True))
    gradient, aux = gradient_of('discriminator')(state.params['discriminator'], state, 1)
    updated = jax.tree.map(lambda p, g: p - RATE * g, state.params['discriminator'], gradient)
    for a, b in zip(
        jax.tree.leaves(updated), jax.tree.leaves(new_state.params['discriminator']), strict=True
    ):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    then = state.replace(
        params={**state.params, 'discriminator': new_state.params['discriminator']},
        model_state={**state.model_state, 'discriminator': aux.model_state},
    )
    gradient, _ = gradient_of('generator')(state.params['generator'], then, 2)
    updated = jax.tree.map(lambda p, g: p - RATE * g, state.params['generator'], gradient)
    for a, b in zip(jax.tree.leaves(updated), jax.tree.leaves(new_state.params['generator']), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('system', ['gan', 'dcgan', 'progan', 'cyclegan', 'points'])
def test_a_step_that_is_not_finite_changes_nothing_but_the_counters(system):
    step, state, batch = plain_step(system)
    domain = next(iter(batch))
    new_state, metrics = step(state, {**batch, domain: batch[domain].at[0].set(jnp.nan)})
    assert not np.isfinite(metrics['discriminator_loss'])
    assert (new_state.step, new_state.skipped_steps, new_state.images_seen) == (1, 1, len(batch[domain]))
    untouched = ('params', 'model_state', 'opt_state', 'ema_params', 'ema_model_state', 'memory')
    for name in untouched:
        for a, b in zip(
            jax.tree.leaves(getattr(state, name)), jax.tree.leaves(getattr(new_state, name)), strict=True
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('system', ['gan', 'dcgan', 'progan', 'cyclegan', 'points'])
def test_the_generator_runs_forward_once_a_step(system):
    config = small_config(system)
    gan = make_gan(config)
    calls = []

    def counted(*arguments):
        calls.append(1)
        return gan.generate(*arguments)

    step, state, batch = single_step(config, generate=counted)
    jax.eval_shape(step, state, batch)
    assert len(calls) == 1


@pytest.mark.parametrize(
    'system', ['gan', 'dcgan', 'progan', 'points', pytest.param('cyclegan', marks=pytest.mark.slow)]
)
def test_learning_from_bfloat16_keeps_float32_parameters(system):
    exact, state, batch = plain_step(system)
    _, exact_metrics = exact(state, batch)
    rounded = make_gan(small_config(system, dtype='bfloat16'))
    step = jax.jit(partial(train_step, gan=rounded, ema=0.0, axis_name=None))
    new_state, metrics = step(state, batch)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((new_state.params, new_state.model_state))}
    assert kinds == {jnp.dtype('float32')}
    assert metrics.pop('skipped_steps') == 0
    assert {value.dtype for value in metrics.values()} == {jnp.dtype('float32')}
    for name in ('discriminator_loss', 'generator_loss'):
        np.testing.assert_allclose(metrics[name], exact_metrics[name], rtol=0.05)
    assert metrics['generator_gradient_norm'] != exact_metrics['generator_gradient_norm']


def test_a_long_average_is_the_generator_of_long_ago_and_none_is_the_generator():
    gan = make_gan(small_config('dcgan'))
    _, state, batch = plain_step('dcgan')
    for half_life, expected in ((1e12, 'old'), (0.0, 'new')):
        new_state, _ = jax.jit(partial(train_step, gan=gan, ema=half_life, axis_name=None))(state, batch)
        same_as = state if expected == 'old' else new_state
        for a, b in zip(
            jax.tree.leaves((new_state.ema_params, new_state.ema_model_state)),
            jax.tree.leaves((same_as.params['generator'], same_as.model_state['generator'])),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12)
