"""Layers with an equalized learning rate, and what else keeps the signals of a growing GAN in bounds.

A weight is stored as N(0, 1) and multiplied, wherever it is used, by the constant that He's initializer would
have put into it. Adam's steps do not know a weight's scale; so all weights now learn at the same speed
(Karras et al. 2017, section 4.1).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.channels import at_least_float32
from gan_jax.convolution import conv, conv_transpose
from gan_jax.layers import plus_bias

HE = math.sqrt(2)  # the gain before a rectifier; 1 where none follows


def equalized_kernel(module: nn.Module, shape: tuple[int, ...], gain: float) -> jax.Array:
    """A kernel N(0, 1) times gain / √(inputs to one unit), called from within a compact `__call__`."""
    kernel = module.param('kernel', nn.initializers.normal(1.0), shape)
    inputs = math.prod(shape) / module.features
    return (kernel * (gain / math.sqrt(inputs))).astype(module.dtype)


class EqualizedDense(nn.Module):
    """Matrix product [N, D] -> [N, features]."""

    features: int
    gain: float = HE
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        y = x.astype(self.dtype) @ equalized_kernel(self, (x.shape[-1], self.features), self.gain)
        return plus_bias(self, y) if self.use_bias else y


class EqualizedConv(nn.Module):
    """Convolution that keeps the size: [N, H, W, C] -> [N, H, W, features].

    With `scale` 'up' the image is doubled before it, with 'down' halved after it. `fused` does either within
    the convolution, one of 4 x 4 taps for one of 3 x 3: the same values with less than half of the work.
    """

    features: int
    kernel_size: int = 3
    gain: float = HE
    scale: str = ''
    fused: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        size, inputs, outputs = self.kernel_size, x.shape[-1], self.features
        # One that doubles is kept as `conv_transpose` takes it, so that no gradient has to be turned round.
        ends = (outputs, inputs) if self.scale == 'up' else (inputs, outputs)
        kernel = equalized_kernel(self, (size, size, *ends), self.gain)
        x, same = x.astype(self.dtype), (size - 1) // 2
        if self.scale == 'up' and self.fused:
            # Doubled, a pixel meets two neighbouring taps: their sums are the kernel.
            y = conv_transpose(x, sums_of_neighbours(kernel), 2, same)
        elif self.scale == 'up':
            y = conv_transpose(upscale(x), kernel, 1, same)
        elif self.scale == 'down' and self.fused:
            y = conv(x, sums_of_neighbours(kernel) / 4, 2, same)
        else:
            y = conv(x, kernel, 1, same)
            y = downscale(y, 2) if self.scale == 'down' else y
        return plus_bias(self, y)


def sums_of_neighbours(kernel: jax.Array) -> jax.Array:
    """Each sum of 2 x 2 neighbouring taps, [k, k, C, D] -> [k + 1, k + 1, C, D]: convolved with a box."""
    rows = jnp.pad(kernel, ((0, 1), (0, 0), (0, 0), (0, 0))) + jnp.pad(
        kernel, ((1, 0), (0, 0), (0, 0), (0, 0))
    )
    return jnp.pad(rows, ((0, 0), (0, 1), (0, 0), (0, 0))) + jnp.pad(rows, ((0, 0), (1, 0), (0, 0), (0, 0)))


def upscale(images: jax.Array) -> jax.Array:
    """Each pixel as 2 x 2: [N, H, W, C] -> [N, 2 H, 2 W, C] (appendix A.1 of the paper)."""
    n, h, w, c = images.shape
    return jnp.broadcast_to(images[:, :, None, :, None], (n, h, 2, w, 2, c)).reshape(n, 2 * h, 2 * w, c)


def downscale(images: jax.Array, factor: int) -> jax.Array:
    """The mean of each `factor` x `factor` box: [N, H, W, C] -> [N, H / factor, W / factor, C] (A.1)."""
    if factor == 1:
        return images
    n, h, w, c = images.shape
    return images.reshape(n, h // factor, factor, w // factor, factor, c).mean((2, 4))


def blend(old: jax.Array, new: jax.Array, fade: jax.Array) -> jax.Array:
    """From `old` at fade 0 to `new` at 1, images or features of one shape; `fade` is a scalar (figure 2)."""
    return old + fade.astype(new.dtype) * (new - old)


def pixel_norm(x: jax.Array) -> jax.Array:
    """Each pixel's features over their root mean square (section 4.2): along the last axis of [N, …, C]."""
    mean_square = jnp.mean(jnp.square(at_least_float32(x)), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(mean_square + 1e-8).astype(x.dtype)


def minibatch_stddev(x: jax.Array, group_size: int, axis_name: str | None) -> jax.Array:
    """Appends one map that says how much the images of a group differ: [N, H, W, C] -> [N, H, W, C + 1].

    The standard deviation over a group, averaged over features and pixels (section 3). Groups are neighbours
    in the global batch, so that a device whose share is whole groups asks no other one.

    Args:
        x: this device's share of the batch.
        group_size: images of a group; a batch that is smaller is one group.
        axis_name: the mapped axis over devices, None without one.

    Returns:
        [N, H, W, C + 1], the same for an image whichever device holds it.
    """
    n, h, w, c = x.shape
    is_spread = axis_name is not None and n % group_size > 0
    batch = jax.lax.all_gather(x, axis_name, tiled=True) if is_spread else x
    groups = at_least_float32(batch).reshape(-1, min(group_size, len(batch)), h, w, c)
    stddev = jnp.sqrt(jnp.var(groups, axis=1) + 1e-8)  # 1e-8, as the root's slope at 0 is infinite
    of_images = jnp.repeat(stddev.mean((1, 2, 3)), groups.shape[1])
    if is_spread:
        of_images = jax.lax.dynamic_slice_in_dim(of_images, jax.lax.axis_index(axis_name) * n, n)
    maps = jnp.broadcast_to(of_images[:, None, None, None], (n, h, w, 1))
    return jnp.concatenate([x, maps.astype(x.dtype)], axis=-1)
