"""A GAN of points in the plane: two small MLPs, on data whose every mode is known.

What the original GAN loses there, and what other losses keep, is seen and counted within minutes on a CPU.
Earlier studies have two layers of 128 ReLU units in G and one in D (Unrolled GAN, Metz et al. 2017, appendix
A; VEEGAN's code), or four of 400 with batch norm and three of 200 maxout units (PacGAN's code, Lin et al.
2018); here both networks are plain, and of any depth and width.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax

from gan_jax import fields, game, layers
from gan_jax.base import GAN, Stage
from gan_jax.data import points
from gan_jax.latents import LATENTS
from gan_jax.losses import LOSSES
from gan_jax.metrics.figures import OF_POINTS
from gan_jax.metrics.networks import POINTS

FIELDS = {
    **game.FIELDS,
    **points.FIELDS,
    'evaluation.metrics': fields.Several(fields.one_of(OF_POINTS)),
    'evaluation.network': fields.one_of((POINTS,)),
    'evaluation.weights': fields.text(
        "'', as points are their own features", accepts=lambda value: not value
    ),
    'evaluation.split': fields.one_of(points.SPLITS),
    'gan.generator_units': fields.whole(least=1, most=65_536),
    'gan.generator_layers': fields.whole(least=1, most=100),
    'gan.discriminator_units': fields.whole(least=1, most=65_536),
    'gan.discriminator_layers': fields.whole(least=1, most=100),
    **fields.adam('discriminator'),
    **fields.adam('generator'),
}


class Generator(nn.Module):
    """z [N, D] -> points [N, 2], through layers of ReLU."""

    units: int  # of each hidden layer
    hidden_layers: int
    coordinates: int
    dtype: Any

    @nn.compact
    def __call__(self, z, train):
        del train
        x = z
        for layer in range(self.hidden_layers):
            x = nn.relu(dense(self.units, f'hidden_{layer}', dtype=self.dtype)(x))
        # In float32 whatever the rest is: between 2 and 4, bfloat16 knows no points nearer than 1/64.
        return dense(self.coordinates, 'point')(x)


class Discriminator(nn.Module):
    """points [N, 2] -> logits [N], through layers of leaky ReLU."""

    units: int  # of each hidden layer
    hidden_layers: int
    spectral_norm: bool
    dtype: Any

    @nn.compact
    def __call__(self, x, keys, train):
        del keys, train  # no dropout
        options = {'spectral_norm': self.spectral_norm, 'dtype': self.dtype}
        for layer in range(self.hidden_layers):
            x = nn.leaky_relu(dense(self.units, f'hidden_{layer}', **options)(x), 0.2)
        return dense(1, 'logit', **options)(x).astype(jnp.float32).reshape(-1)


def dense(features: int, name: str, **options) -> layers.Dense:
    """A layer whose outputs are as large as its inputs, behind a ReLU (He et al. 2015)."""
    return layers.Dense(features, kernel_init=nn.initializers.he_normal(), name=name, **options)


check = game.check
stages = game.stages  # one step throughout


def make(config, stage: Stage, axis_name: str | None) -> GAN:
    """The networks, losses and optimizers that a config has."""
    del stage, axis_name  # nothing here looks at other examples of the batch
    gan, dtype = config.gan, jnp.dtype(config.dtype)
    return game.latent_gan(
        Generator(gan.generator_units, gan.generator_layers, config.data.channels, dtype),
        Discriminator(gan.discriminator_units, gan.discriminator_layers, gan.spectral_norm, dtype),
        draw_latents=lambda keys: LATENTS[gan.latent](keys, gan.latent_dim),
        loss=LOSSES[gan.loss],
        penalty=game.penalty(gan),
        critic_steps=gan.critic_steps,
        optimizers={
            player: optax.adam(optimizer.learning_rate, b1=optimizer.b1, b2=optimizer.b2)
            for player, optimizer in config.optimizer.items()
        },
        least_flops=lambda batch_size: batch_size * least_example_flops(config),
    )


def least_example_flops(config) -> int:
    """The least work of one example in one step, counted by hand from the shapes."""
    gan, coordinates = config.gan, config.data.channels

    def of_network(inputs, units, hidden_layers, outputs):
        widths = [inputs, *hidden_layers * [units], outputs]
        return list(map(layers.dense_flops, widths[:-1], widths[1:]))

    generator = of_network(gan.latent_dim, gan.generator_units, gan.generator_layers, coordinates)
    discriminator = of_network(coordinates, gan.discriminator_units, gan.discriminator_layers, 1)
    return game.least_step_flops(gan, generator, discriminator, 0, gan.regularizer)
