"""The layers that networks are made of, and how much arithmetic each needs at least."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.channels import at_least_float32, spread, sum_to_channels
from gan_jax.convolution import conv, conv_transpose


def normal_around(mean: float, stddev: float) -> Callable:
    """An initializer N(mean, stddev²)."""
    return lambda key, shape, dtype=jnp.float32: mean + stddev * jax.random.normal(key, shape, dtype)


def symmetric_uniform(bound: float) -> Callable:
    """An initializer uniform in ±bound."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


class Dense(nn.Module):
    """Matrix product [N, D] -> [N, features]."""

    features: int
    use_bias: bool = True
    spectral_norm: bool = False
    kernel_init: Callable = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        y = x.astype(self.dtype) @ _kernel(self, (x.shape[-1], self.features), self.spectral_norm)
        return plus_bias(self, y) if self.use_bias else y


class Conv(nn.Module):
    """Convolution [N, H, W, C] -> [N, H', W', features], in the form that `convolution` chooses."""

    features: int
    kernel_size: tuple[int, int]
    strides: int = 1
    padding: int = 0
    use_bias: bool = True
    spectral_norm: bool = False
    kernel_init: Callable = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        kernel = _kernel(self, (*self.kernel_size, x.shape[-1], self.features), self.spectral_norm)
        y = conv(x.astype(self.dtype), kernel, self.strides, self.padding)
        return plus_bias(self, y) if self.use_bias else y


class ConvTranspose(nn.Module):
    """Transposed convolution [N, H, W, C] -> [N, H', W', features], H' as in `conv_transpose`."""

    features: int
    kernel_size: tuple[int, int]
    strides: int = 1
    padding: int = 0
    output_padding: int = 0
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        kernel = _kernel(self, (*self.kernel_size, self.features, x.shape[-1]))
        y = conv_transpose(x.astype(self.dtype), kernel, self.strides, self.padding, self.output_padding)
        return plus_bias(self, y) if self.use_bias else y


class BatchNorm(nn.Module):
    """Each channel of […, C] to mean 0 and variance 1, then scaled and shifted (Ioffe and Szegedy 2015).

    Statistics are those of the global batch over pixels and devices, and running averages in 'batch_stats'
    where `use_running_average`. In float32 throughout.
    """

    use_running_average: bool
    momentum: float = 0.9  # what a running average keeps at an update: 1 - PyTorch's
    epsilon: float = 1e-5
    scale_init: Callable = nn.initializers.ones
    axis_name: str | None = None  # the mapped axis over devices, None without one
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        channels, count = x.shape[-1:], math.prod(x.shape[:-1])
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, channels)
        running_variance = self.variable('batch_stats', 'var', jnp.ones, channels)
        x = at_least_float32(x)
        if self.use_running_average:
            mean, variance = running_mean.value, running_variance.value
        else:
            mean, mean_square = sum_to_channels(x) / count, sum_to_channels(x**2) / count
            if self.axis_name is not None and not self.is_initializing():
                mean, mean_square = jax.lax.pmean((mean, mean_square), self.axis_name)
            variance = jnp.maximum(mean_square - mean**2, 0)
            if not self.is_initializing():
                average = lambda old, new: self.momentum * old + (1 - self.momentum) * new
                running_mean.value = average(running_mean.value, mean)
                running_variance.value = average(running_variance.value, variance)
        scale = self.param('scale', self.scale_init, channels)
        bias = self.param('bias', nn.initializers.zeros, channels)
        # As a·x + b, whose gradient takes two sums over x where that of scale·(x - mean) + bias takes three.
        factor = scale * jax.lax.rsqrt(variance + self.epsilon)
        return (x * spread(factor, x.shape) + spread(bias - factor * mean, x.shape)).astype(self.dtype)


def instance_norm(x: jax.Array) -> jax.Array:
    """Each channel of each image [N, H, W, C] to mean 0 and variance 1 (Ulyanov et al. 2016)."""
    count = x.shape[1] * x.shape[2]

    def of_image(x):
        mean, mean_square = sum_to_channels(x) / count, sum_to_channels(x**2) / count
        factor = jax.lax.rsqrt(jnp.maximum(mean_square - mean**2, 0) + 1e-5)
        return x * spread(factor, x.shape) - spread(factor * mean, x.shape)

    return jax.vmap(of_image)(at_least_float32(x)).astype(x.dtype)


def reflect(x: jax.Array, pixels: int) -> jax.Array:
    """[N, H, W, C] with its own mirror image around, `pixels` wide."""
    return jnp.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode='reflect')


def _kernel(module, shape, spectral_norm=False):
    kernel = module.param('kernel', module.kernel_init, shape)
    if spectral_norm:
        kernel = spectrally_normalized(module, kernel)
    return kernel.astype(module.dtype)


def plus_bias(module: nn.Module, y: jax.Array) -> jax.Array:
    """y plus the module's bias, one number a feature; called from within its compact `__call__`."""
    bias = module.param('bias', nn.initializers.zeros, (module.features,))
    return y + spread(bias.astype(y.dtype), y.shape)


def spectrally_normalized(module: nn.Module, kernel: jax.Array) -> jax.Array:
    """The kernel over its largest singular value, as a matrix [all else, outputs] (Miyato et al. 2018).

    One step of power iteration per pass that may change the module's 'spectral_norm' variables; called from
    within the module's compact `__call__`.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    unit = lambda x: x / (jnp.linalg.norm(x) + 1e-12)
    u = module.variable(
        'spectral_norm',
        'u',
        lambda: unit(jax.random.normal(module.make_rng('params'), matrix.shape[-1:])),
    )
    # The singular vectors are constants of the gradient (section 2.1 and appendix A of the paper).
    fixed = jax.lax.stop_gradient(matrix)
    v = unit(fixed @ u.value)
    new_u = unit(v @ fixed)
    if module.is_mutable_collection('spectral_norm') and not module.is_initializing():
        u.value = new_u
    return kernel / (v @ matrix @ new_u)


def maxout(x: jax.Array, pieces: int) -> jax.Array:
    """The largest of each unit's pieces: [N, units · pieces] -> [N, units] (Goodfellow et al. 2013)."""
    n, features = x.shape
    return jnp.max(x.reshape(n, features // pieces, pieces), axis=-1)


def dropout(x: jax.Array, keep: float, keys: jax.Array) -> jax.Array:
    """Keeps each entry of x [N, D] with probability `keep`, scaled by 1 / keep, by each example's key [N].

    `nn.Dropout` under pmap with a replicated key would drop the same entries on every device.
    """
    features = x.shape[1]
    words = jax.vmap(lambda key: jax.random.bits(key, (-(-features // 2),), jnp.uint32))(keys)
    # Sixteen bits decide well enough, so that each random word serves two entries.
    bits = jnp.concatenate([words & 0xFFFF, words >> 16], axis=1)[:, :features]
    return jnp.where(bits < round(keep * 2**16), x / keep, 0)


def dense_flops(inputs: int, outputs: int) -> int:
    """Multiplications and additions of one example's matrix product."""
    return 2 * inputs * outputs


def conv_flops(size: int, kernel: int, strides: int, padding: int, inputs: int, outputs: int) -> int:
    """Of one example's convolution from `size` x `size` pixels, taps outside the image not counted.

    The transposed convolution to `size` pixels needs as many, and so does each gradient of either.
    """
    starts = range(-padding, size + padding - kernel + 1, strides)
    taps = sum(min(start + kernel, size) - max(start, 0) for start in starts)
    return 2 * taps**2 * inputs * outputs
