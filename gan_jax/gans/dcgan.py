"""DCGAN (Radford, Metz and Chintala 2015): both networks convolutional, in the form of PyTorch's example."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax

from gan_jax import fields, game, layers
from gan_jax.base import GAN, Stage, UserError
from gan_jax.latents import LATENTS
from gan_jax.layers import BatchNorm, Conv, ConvTranspose
from gan_jax.losses import LOSSES

FIELDS = {
    **game.FIELDS,
    'gan.width': fields.whole(least=1, most=65_536),
    **fields.adam('discriminator'),
    **fields.adam('generator'),
}

conv_init = layers.normal_around(0.0, 0.02)
scale_init = layers.normal_around(1.0, 0.02)


class Generator(nn.Module):
    """z [N, D] -> images [N, H, W, channels] in (-1, 1), `base` pixels doubled `depth` times."""

    base: int  # pixels of the first map
    depth: int  # transposed convolutions
    width: int  # channels of the last hidden map
    channels: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, z, train):
        def norm_relu(x):
            norm = BatchNorm(
                use_running_average=not train,
                scale_init=scale_init,
                axis_name=self.axis_name,
                dtype=self.dtype,
            )
            return nn.relu(norm(x))

        features = self.width * 2 ** (self.depth - 1)
        # A transposed convolution of a single pixel is a matrix product.
        x = layers.Dense(
            self.base**2 * features, use_bias=False, kernel_init=conv_init, dtype=self.dtype, name='project'
        )(z)
        x = norm_relu(x.reshape(-1, self.base, self.base, features))
        for level in reversed(range(self.depth - 1)):
            x = ConvTranspose(
                self.width * 2**level, (4, 4), 2, 1, use_bias=False, kernel_init=conv_init, dtype=self.dtype
            )(x)
            x = norm_relu(x)
        x = ConvTranspose(
            self.channels,
            (4, 4),
            2,
            1,
            use_bias=False,
            kernel_init=conv_init,
            dtype=self.dtype,
            name='to_image',
        )(x)
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
    """images [N, H, W, C] in [-1, 1] -> logits [N], halved `depth` times and then seen whole."""

    depth: int
    width: int  # channels of the first map, doubled at each halving
    spectral_norm: bool
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x, keys, train):
        del keys  # no dropout
        for level in range(self.depth):
            x = Conv(
                self.width * 2**level,
                (4, 4),
                2,
                1,
                use_bias=False,
                spectral_norm=self.spectral_norm,
                kernel_init=conv_init,
                dtype=self.dtype,
            )(x)
            if level > 0:
                x = BatchNorm(
                    use_running_average=not train,
                    scale_init=scale_init,
                    axis_name=self.axis_name,
                    dtype=self.dtype,
                )(x)
            x = nn.leaky_relu(x, 0.2)
        x = Conv(
            1,
            (x.shape[1], x.shape[2]),
            use_bias=False,
            spectral_norm=self.spectral_norm,
            kernel_init=conv_init,
            dtype=self.dtype,
            name='logit',
        )(x)
        return x.astype(jnp.float32).reshape(-1)


def base_and_depth(resolution: int) -> tuple[int, int]:
    """The size of the smallest map, 4 to 7 pixels, and how often it doubles: 28 -> (7, 2), 64 -> (4, 4)."""
    base, depth = resolution, 0
    while base % 2 == 0 and base >= 8:
        base, depth = base // 2, depth + 1
    return base, depth


stages = game.stages  # one step throughout


def check(config) -> None:
    """Raises UserError where fields that are each right do not fit together."""
    game.check(config)
    base, depth = base_and_depth(config.data.resolution)
    if depth == 0 or base > 7:
        allowed = sorted(
            base * 2**depth for base in (4, 5, 6, 7) for depth in range(1, 9) if base * 2**depth <= 1024
        )
        raise UserError(
            f'--config.data.resolution: DCGAN cannot make {config.data.resolution} pixels; '
            f'4, 5, 6 or 7 doubled: {", ".join(map(str, allowed))}'
        )


def make(config, stage: Stage, axis_name: str | None) -> GAN:
    """The paper's networks, losses and optimizers as the config asks for them."""
    gan = config.gan
    base, depth = base_and_depth(stage.resolution)
    dtype = jnp.dtype(config.dtype)
    return game.latent_gan(
        Generator(base, depth, gan.width, config.data.channels, dtype, axis_name),
        Discriminator(depth, gan.width, gan.spectral_norm, dtype, axis_name),
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
    base, depth = base_and_depth(config.data.resolution)
    width, channels = config.gan.width, config.data.channels
    sizes = [config.data.resolution // 2**level for level in range(depth)]
    features = [channels] + [width * 2**level for level in range(depth)]
    halvings = [
        layers.conv_flops(size, 4, 2, 1, inputs, outputs)
        for size, inputs, outputs in zip(sizes, features[:-1], features[1:], strict=True)
    ]
    # G is D in a mirror: each transposed convolution costs what the convolution back costs.
    generator = [layers.dense_flops(config.gan.latent_dim, base**2 * features[-1]), *reversed(halvings)]
    discriminator = [*halvings, layers.dense_flops(base**2 * features[-1], 1)]
    num_nonlinear = len(halvings)  # batch norm
    return game.least_step_flops(config.gan, generator, discriminator, num_nonlinear, config.gan.regularizer)
