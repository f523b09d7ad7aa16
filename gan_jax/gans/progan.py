"""Progressive Growing of GANs (Karras, Aila, Laine and Lehtinen 2017): both networks grow, level by level.

Level 0 is 4 x 4 pixels, each next one has twice as many along a side. A new level is faded in over some
images and then trained as it is; each of the two is a stage, and one compiled step.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax

from gan_jax import fields, game, growth
from gan_jax.base import GAN, Stage
from gan_jax.equalized import (
    HE,
    EqualizedConv,
    EqualizedDense,
    at_least_float32,
    blend,
    downscale,
    minibatch_stddev,
    pixel_norm,
    upscale,
)
from gan_jax.growth import RESOLUTIONS
from gan_jax.latents import LATENTS
from gan_jax.layers import conv_flops, dense_flops
from gan_jax.losses import LOSSES
from gan_jax.regularizers import drift, gradient_penalty

FIELDS = {
    **game.GAME_FIELDS,
    **growth.FIELDS,
    'gan.feature_base': fields.whole(least=1),
    'gan.max_features': fields.whole(least=1, most=65_536),
    'gan.fused_scale': fields.flag(),
    'gan.gradient_penalty_weight': fields.number(least=0),
    'gan.gradient_penalty_target': fields.number(above=0),
    'gan.drift_weight': fields.number(least=0),
    **fields.adam('discriminator'),
    **fields.adam('generator'),
}


stages, check = growth.stages, growth.check


class Generator(nn.Module):
    """z [N, D] -> images [N, H, W, channels], about in [-1, 1], of `level`.

    All levels have their parameters from the start. With a `fade` the level grows out of the one below it:
    at 0 it is that one, doubled, at 1 as it is without.
    """

    features: tuple[int, ...]  # of each level's maps
    channels: int
    level: int
    fused: bool
    dtype: Any

    @nn.compact
    def __call__(self, z, train, fade=None):
        del train
        activate = lambda x: pixel_norm(nn.leaky_relu(x, 0.2))
        conv = lambda level, number, **scale: EqualizedConv(
            self.features[level], dtype=self.dtype, name=f'level_{level}_conv_{number}', **scale
        )
        to_image = lambda level: EqualizedConv(
            self.channels, 1, gain=1, dtype=self.dtype, name=f'level_{level}_to_image'
        )
        top = len(self.features) - 1 if self.is_initializing() else self.level
        shown = range(top + 1) if self.is_initializing() else (top if fade is None else top - 1, top)

        # A quarter of the gain that would be due, as in the authors' code.
        project = EqualizedDense(16 * self.features[0], HE / 4, False, self.dtype, name='project')
        x = project(pixel_norm(z)).reshape(-1, 4, 4, self.features[0])
        bias = self.param('bias', nn.initializers.zeros, (1, 1, 1, self.features[0]))
        x = activate(x + bias.astype(x.dtype))
        images = {}
        for level in range(top + 1):
            if level > 0:
                x = activate(conv(level, 0, scale='up', fused=self.fused)(x))
            x = activate(conv(level, 1)(x))
            if level in shown:
                images[level] = at_least_float32(to_image(level)(x))
        return images[top] if fade is None else blend(upscale(images[top - 1]), images[top], fade)


class Discriminator(nn.Module):
    """images [N, H, W, C] of `level`, about in [-1, 1] -> logits [N]: the generator in a mirror."""

    features: tuple[int, ...]
    level: int
    fused: bool
    stddev_group: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, images, keys, train, fade=None):
        del keys, train
        conv = lambda level, number, features, **scale: EqualizedConv(
            features, dtype=self.dtype, name=f'level_{level}_conv_{number}', **scale
        )
        from_image = lambda level: EqualizedConv(
            self.features[level], 1, dtype=self.dtype, name=f'level_{level}_from_image'
        )
        top = self.level
        if self.is_initializing():  # of all levels, whatever the images are
            top = len(self.features) - 1
            images = jnp.zeros((1, 4 * 2**top, 4 * 2**top, images.shape[-1]))

        activate = lambda x: nn.leaky_relu(x, 0.2)
        x = activate(from_image(top)(images))
        for level in range(top, 0, -1):
            x = activate(conv(level, 0, self.features[level])(x))
            x = activate(conv(level, 1, self.features[level - 1], scale='down', fused=self.fused)(x))
            if self.is_initializing() or (level == top and fade is not None):
                images = downscale(images, 2)
                below = activate(from_image(level - 1)(images))
                x = below if fade is None else blend(below, x, fade)
        axis_name = None if self.is_initializing() else self.axis_name
        x = minibatch_stddev(x, self.stddev_group, axis_name)
        x = activate(conv(0, 0, self.features[0])(x))
        x = activate(EqualizedDense(self.features[0], dtype=self.dtype, name='hidden')(x.reshape(len(x), -1)))
        logits = EqualizedDense(1, gain=1, dtype=self.dtype, name='logit')(x)
        return at_least_float32(logits).reshape(-1)


def features_of_levels(gan) -> tuple[int, ...]:
    """Maps of each level up to `gan.resolution`: base / 2, base / 4, …, at most `gan.max_features`."""
    levels = RESOLUTIONS.index(gan.resolution) + 1
    return tuple(
        max(1, min(gan.feature_base // 2 ** (level + 1), gan.max_features)) for level in range(levels)
    )


def make(config, stage: Stage, axis_name: str | None) -> GAN:
    """The networks at the stage's level, WGAN-GP with drift, and Adam at the level's rate."""
    gan, level = config.gan, RESOLUTIONS.index(stage.resolution)
    features, dtype = features_of_levels(gan), jnp.dtype(config.dtype)
    factor = fields.for_each(gan.learning_rate_factors, len(features))[level]

    def progress(images_seen):
        seen = images_seen - stage.first_image
        return {'fade': jnp.clip(seen / stage.fade, 0.0, 1.0)} if stage.fade else {}

    def prepare_reals(images, fade=None):
        """At the level's size; they lose as much detail as the fakes while it fades in."""
        images = downscale(images, images.shape[1] // stage.resolution)
        return images if fade is None else blend(upscale(downscale(images, 2)), images, fade)

    def penalty(real, fake, mix):
        target = gan.gradient_penalty_target
        deviation = gradient_penalty(real.discriminate, real.images, fake.images, mix, target) / target**2
        return gan.gradient_penalty_weight * deviation + gan.drift_weight * drift(real.logits)

    return game.latent_gan(
        Generator(features, config.data.channels, level, gan.fused_scale, dtype),
        Discriminator(features, level, gan.fused_scale, gan.stddev_group, dtype, axis_name),
        draw_latents=lambda keys: LATENTS[gan.latent](keys, gan.latent_dim),
        loss=LOSSES[gan.loss],
        penalty=penalty,
        critic_steps=gan.critic_steps,
        progress=progress,
        prepare_reals=prepare_reals,
        optimizers={
            player: optax.adam(factor * optimizer.learning_rate, b1=optimizer.b1, b2=optimizer.b2)
            for player, optimizer in config.optimizer.items()
        },
        least_flops=lambda batch_size: batch_size * least_example_flops(config, stage),
    )


def least_example_flops(config, stage: Stage) -> int:
    """The least work of one example in one step, counted by hand from the shapes."""
    gan, features = config.gan, features_of_levels(config.gan)
    top, channels = RESOLUTIONS.index(stage.resolution), config.data.channels

    def scaling(level):
        if gan.fused_scale:
            return conv_flops(RESOLUTIONS[level], 4, 2, 1, features[level], features[level - 1])
        return conv_flops(RESOLUTIONS[level], 3, 1, 1, features[level], features[level - 1])

    settled = lambda level: conv_flops(RESOLUTIONS[level], 3, 1, 1, features[level], features[level])
    image = lambda level: conv_flops(RESOLUTIONS[level], 1, 1, 0, features[level], channels)
    images = image(top) + (image(top - 1) if stage.fade else 0)
    levels = [each for level in range(top, 0, -1) for each in (settled(level), scaling(level))]
    project = dense_flops(gan.latent_dim, 16 * features[0])
    generator = [project, settled(0), *reversed(levels), images]
    before_stddev = [images, *levels]
    after_stddev = [
        conv_flops(4, 3, 1, 1, features[0] + 1, features[0]),
        dense_flops(16 * features[0], features[0]),
        dense_flops(features[0], 1),
    ]
    name = 'gradient_penalty' if gan.gradient_penalty_weight else 'none'
    return game.least_step_flops(gan, generator, [*before_stddev, *after_stddev], len(before_stddev), name)
