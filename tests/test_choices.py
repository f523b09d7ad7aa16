"""Every choice of a system's config makes another step, and one that trains."""

import functools

import jax
import numpy as np
import pytest

from gan_jax.dry_run import abstract_arguments
from gan_jax.gans import load_system
from gan_jax.train_step import train_step
from helpers import SMALL, make_gan, plain_step, single_step, small_config

CHOICES = [
    *[('gan', 'loss', name) for name in ('minimax', 'relativistic')],
    ('gan', 'latent', 'uniform'),
    *[('gan', 'regularizer', name) for name in ('r1', 'r2', 'gradient_penalty', 'drift')],
    ('points', 'regularizer', 'gradient_penalty'),
    ('points', 'generator_layers', '3'),
    ('points', 'discriminator_layers', '1'),
    ('dcgan', 'spectral_norm', 'true'),
    ('progan', 'loss', 'non_saturating'),
    ('progan', 'stddev_group', '2'),
]
# Of the same functions as those above: quickly it is only seen that the step is another one.
MORE_CHOICES = [
    *[('gan', 'loss', name) for name in ('least_squares', 'hinge', 'wasserstein')],
    ('gan', 'spectral_norm', 'true'),
    ('dcgan', 'loss', 'hinge'),
    ('points', 'loss', 'minimax'),
    *[('dcgan', 'regularizer', name) for name in ('r1', 'gradient_penalty')],
    ('points', 'latent', 'uniform'),
    ('points', 'spectral_norm', 'true'),
    ('progan', 'latent', 'uniform'),
    ('progan', 'gradient_penalty_weight', '0'),
    ('progan', 'gradient_penalty_target', '750'),  # the authors' for CIFAR-10
    ('progan', 'drift_weight', '1'),
    ('cyclegan', 'loss', 'hinge'),
    ('cyclegan', 'identity_weight', '5'),
    ('cyclegan', 'cycle_weight', '1'),
    ('cyclegan', 'residual_blocks', '2'),
]


def config_with(system, field, name):
    weight = {'gan__regularizer_weight': 1e6} if field == 'regularizer' else {}
    return small_config(system, **{f'gan__{field}': name}, **weight)


@pytest.mark.parametrize(
    ('system', 'field', 'name'),
    [*CHOICES, *[pytest.param(*choice, marks=pytest.mark.slow) for choice in MORE_CHOICES]],
)
def test_every_choice_trains_and_changes_something(system, field, name):
    step, state, batch = single_step(config_with(system, field, name))
    new_state, metrics = step(state, batch)
    assert all(np.isfinite(value) for value in metrics.values())
    assert new_state.skipped_steps == 0
    plain, state, batch = plain_step(system)
    _, plain_metrics = plain(state, batch)
    names = ('discriminator_loss', 'generator_loss', 'discriminator_gradient_norm', 'generator_gradient_norm')
    assert any(metrics[name] != plain_metrics[name] for name in names)


def program_of(config):
    """The step of a config's first stage, traced but not compiled, as text."""
    system = load_system(config.system)
    gan, stage = make_gan(config), system.stages(config)[0]
    step = functools.partial(train_step, gan=gan, ema=0.0, axis_name=None)
    return str(jax.make_jaxpr(step)(*abstract_arguments(config, gan, stage)))


@functools.cache
def plain_program(system):
    return program_of(small_config(system))


@pytest.mark.parametrize(('system', 'field', 'name'), MORE_CHOICES)
def test_every_choice_makes_another_step(system, field, name):
    assert program_of(config_with(system, field, name)) != plain_program(system)


@pytest.mark.parametrize('system', SMALL)
def test_the_same_choices_make_the_same_step(system):
    """Or those that differ above would say nothing."""
    assert program_of(small_config(system)) == plain_program(system)
