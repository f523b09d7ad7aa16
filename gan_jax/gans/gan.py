"""The original GAN (Goodfellow et al. 2014), with networks and optimizer of the authors' MNIST run."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import fields, game, layers
from gan_jax.base import GAN, Stage
from gan_jax.latents import LATENTS
from gan_jax.losses import LOSSES

FIELDS = {
    **game.FIELDS,
    'gan.generator_units': fields.whole(least=1, most=65_536),
    'gan.discriminator_units': fields.whole(least=1, most=65_536),
    'gan.maxout_pieces': fields.whole(least=1, most=65_536),
    'gan.keep_pixels': fields.number(above=0, most=1),
    'gan.keep_hidden': fields.number(above=0, most=1),
    **fields.momentum('discriminator'),
    **fields.momentum('generator'),
}


class Generator(nn.Module):
    """z [N, D] -> images [N, H, W, C] in [-1, 1], through two layers of ReLU."""

    image_shape: tuple[int, int, int]
    units: int
    dtype: Any

    @nn.compact
    def __call__(self, z, train):
        del train
        height, width, channels = self.image_shape
        dense = lambda features, name: layers.Dense(
            features, kernel_init=layers.symmetric_uniform(0.05), dtype=self.dtype, name=name
        )
        x = nn.relu(dense(self.units, 'hidden_0')(z))
        x = nn.relu(dense(self.units, 'hidden_1')(x))
        x = dense(height * width * channels, 'pixels')(x).astype(jnp.float32)
        return (2 * nn.sigmoid(x) - 1).reshape(-1, height, width, channels)


class Discriminator(nn.Module):
    """images [N, H, W, C] in [-1, 1] -> logits [N], through two maxout layers, dropout on their inputs."""

    units: int
    pieces: int
    keep_pixels: float
    keep_hidden: float
    spectral_norm: bool
    dtype: Any

    @nn.compact
    def __call__(self, x, keys, train):
        def dense(features, name):
            return layers.Dense(
                features,
                spectral_norm=self.spectral_norm,
                kernel_init=layers.symmetric_uniform(0.005),
                dtype=self.dtype,
                name=name,
            )

        def dropout(x, keep, layer):
            if not train or keep == 1:
                return x
            return layers.dropout(x, keep, jax.vmap(jax.random.fold_in, (0, None))(keys, layer))

        x = ((x + 1) / 2).reshape(x.shape[0], -1)
        x = dropout(x, self.keep_pixels, 0)
        x = layers.maxout(dense(self.units * self.pieces, 'maxout_0')(x), self.pieces)
        x = dropout(x, self.keep_hidden, 1)
        x = layers.maxout(dense(self.units * self.pieces, 'maxout_1')(x), self.pieces)
        x = dropout(x, self.keep_hidden, 2)
        return dense(1, 'logit')(x).astype(jnp.float32).reshape(-1)


check = game.check  # any resolution and any number of channels will do
stages = game.stages  # one step throughout


def make(config, stage: Stage, axis_name: str | None) -> GAN:
    """The authors' networks, losses and optimizers as the config asks for them."""
    del axis_name  # nothing here looks at other examples of the batch
    gan = config.gan
    image_shape = (stage.resolution, stage.resolution, config.data.channels)
    dtype = jnp.dtype(config.dtype)
    loss = LOSSES[gan.loss]
    system = game.latent_gan(
        Generator(image_shape, gan.generator_units, dtype),
        Discriminator(
            gan.discriminator_units,
            gan.maxout_pieces,
            gan.keep_pixels,
            gan.keep_hidden,
            gan.spectral_norm,
            dtype,
        ),
        draw_latents=lambda keys: LATENTS[gan.latent](keys, gan.latent_dim),
        # The authors' cost is the mean of D's two halves, not their sum: under SGD the ½ is a learning rate.
        loss=loss._replace(discriminator=lambda real, fake: 0.5 * loss.discriminator(real, fake)),
        penalty=game.penalty(gan),
        critic_steps=gan.critic_steps,
        optimizers={
            player: decaying_sgd(optimizer, stage.batch_size)
            for player, optimizer in config.optimizer.items()
        },
        least_flops=lambda batch_size: batch_size * least_example_flops(config),
    )

    def init(rng, batch):
        params, model_state, memory = system.init(rng, batch)
        # With its output bias at the marginals of the reals given, G starts from their mean image.
        marginals = jnp.clip((jnp.mean(batch['image'], axis=0) + 1) / 2, 1e-7, 1 - 1e-7)
        params['generator']['pixels']['bias'] = jnp.log(marginals / (1 - marginals)).reshape(-1)
        return params, model_state, memory

    return system._replace(init=init)


def decaying_sgd(optimizer, batch_size: int) -> optax.GradientTransformation:
    """SGD whose rate decays with every update and whose momentum grows with the images seen."""

    def learning_rate(count):
        decayed = optimizer.learning_rate * jnp.exp(-math.log(optimizer.decay_factor) * count)
        return jnp.maximum(decayed, optimizer.min_learning_rate)

    momentum = optax.linear_schedule(
        optimizer.momentum,
        optimizer.final_momentum,
        max(1, round(optimizer.momentum_kimg * 1000 / batch_size)),
    )
    # The rate is inside the velocity, v <- m v - rate · gradient, as in the authors' library.
    trace = optax.inject_hyperparams(optax.trace, static_args='nesterov')(decay=momentum)
    return optax.chain(optax.scale_by_learning_rate(learning_rate), trace)


def least_example_flops(config) -> int:
    """The least work of one example in one step, counted by hand from the shapes."""
    gan, dense = config.gan, layers.dense_flops
    pixels = config.data.resolution**2 * config.data.channels
    units, pieces = gan.discriminator_units, gan.maxout_pieces
    generator = [
        dense(gan.latent_dim, gan.generator_units),
        dense(gan.generator_units, gan.generator_units),
        dense(gan.generator_units, pixels),
    ]
    discriminator = [dense(pixels, units * pieces), dense(units, units * pieces), dense(units, 1)]
    return game.least_step_flops(gan, generator, discriminator, 0, gan.regularizer)
