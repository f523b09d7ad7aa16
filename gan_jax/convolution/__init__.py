"""Convolution and transposed convolution in the form that is fast on the backend at hand.

All of it rests on one function that is linear in each of three arguments,

    T(x, kernel, y) = sum over n, i, j, a, b, c, d of
                      y[n, i, j, d] · kernel[a, b, c, d] · x[n, s·i + a − p, s·j + b − p, c],

whose gradients to y, to x and to the kernel are the convolution, the transposed convolution and the weight
gradient. The derivatives of each of these three maps are the other two, which is why they differentiate any
number of times (in reverse mode).

On a GPU or TPU each map is one convolution of the compiler's own. Left to differentiate a transposed one, JAX
would write its weight gradient as a convolution that GPUs run up to forty times slower. On a CPU XLA leaves
more to do by hand, which is in `on_cpu.py`.
"""

import contextlib
import contextvars
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.convolution import on_cpu

_custom_vjp: Any = functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
_plain = contextvars.ContextVar('plain_convolutions', default=False)


@contextlib.contextmanager
def plain_convolutions():
    """Within this context the CPU, too, gets the compiler's own convolutions.

    It acts while a function is traced: a function that was compiled outside keeps its form inside.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def conv(x, kernel, strides, padding):
    """Convolves images with a kernel (as the field means it: without flipping it).

    Args:
        x: images, [N, H, W, C_in].
        kernel: [k_h, k_w, C_in, C_out].
        strides: step in pixels along both axes.
        padding: zeros added on each of the four sides.

    Returns:
        [N, H', W', C_out] with H' = (H + 2 · padding − k_h) // strides + 1.
    """
    geometry = _Geometry(strides, padding, x.shape[1:3], kernel.shape[:2])
    return _at_least_float32(_conv, geometry, x, kernel)


def conv_transpose(x, kernel, strides, padding, output_padding=0):
    """The gradient of `conv` to its input: PyTorch's ConvTranspose2d.

    Args:
        x: [N, H, W, C_in].
        kernel: [k_h, k_w, C_out, C_in], the kernel of the convolution whose gradient this is. PyTorch's
            weight [C_in, C_out, k_h, k_w] is this with axes (2, 3, 1, 0).
        strides, padding: those of that convolution.
        output_padding: rows and columns that its input had beyond its last tap, less than `strides`.

    Returns:
        [N, H', W', C_out] with H' = (H − 1) · strides − 2 · padding + k_h + output_padding.
    """
    height, width = (
        (x.shape[1 + i] - 1) * strides - 2 * padding + kernel.shape[i] + output_padding for i in range(2)
    )
    geometry = _Geometry(strides, padding, (height, width), kernel.shape[:2])
    return _at_least_float32(_conv_transpose, geometry, x, kernel)


def _is_plain():
    return _plain.get() or jax.default_backend() != 'cpu'


def _at_least_float32(map_, geometry, *operands):
    """XLA's fast convolutions on the CPU take no bfloat16, and partial sums should not be rounded to it."""
    dtype = jnp.result_type(*operands)
    if not _is_plain():
        operands = (x.astype(jnp.promote_types(dtype, jnp.float32)) for x in operands)
    return map_(geometry, *operands).astype(dtype)


class _Geometry(NamedTuple):
    """What the three maps need beside their operands; x is the wide side, y the strided one."""

    strides: int
    padding: int
    size: tuple[int, int]  # height and width of x, which those of y do not determine where strides > 1
    kernel_size: tuple[int, int]


def _compilers_own(geometry, x, kernel):
    s, p = geometry.strides, geometry.padding
    return lax.conv_general_dilated(
        x, kernel, (s, s), [(p, p), (p, p)], dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )


def _written_out(geometry, y, kernel):
    """The transposed convolution as one over y with zeros between its pixels, whose kernel is turned round.

    The same as the transpose that JAX would derive, in a form that other formats have a name for.
    """
    s, p, size, kernel_size = geometry
    padding = [
        (k - 1 - p, whole + p - s * (strided - 1) - 1)
        for k, whole, strided in zip(kernel_size, size, y.shape[1:3], strict=True)
    ]
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    dimensions = ('NHWC', 'HWIO', 'NHWC')
    return lax.conv_general_dilated(
        y, turned, (1, 1), padding, lhs_dilation=(s, s), dimension_numbers=dimensions
    )


@_custom_vjp
def _conv(geometry, x, kernel):
    """(x [N, H, W, C], kernel [k_h, k_w, C, D]) -> y [N, H', W', D]."""
    return (_compilers_own if _is_plain() else on_cpu.conv)(geometry, x, kernel)


@_custom_vjp
def _conv_transpose(geometry, y, kernel):
    """(y [N, H', W', D], kernel [k_h, k_w, C, D]) -> x [N, H, W, C]."""
    if not _is_plain():
        return on_cpu.conv_transpose(geometry, y, kernel)
    if _plain.get():
        return _written_out(geometry, y, kernel)
    x = jax.ShapeDtypeStruct((len(y), *geometry.size, kernel.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: _compilers_own(geometry, x, kernel), x)(y)[0]


@_custom_vjp
def _weight_gradient(geometry, x, y):
    """(x [N, H, W, C], y [N, H', W', D]) -> kernel [k_h, k_w, C, D]."""
    if not _is_plain():
        return on_cpu.weight_gradient(geometry, x, y)
    kernel = jax.ShapeDtypeStruct((*geometry.kernel_size, x.shape[3], y.shape[3]), x.dtype)
    return jax.linear_transpose(lambda kernel: _compilers_own(geometry, x, kernel), kernel)(y)[0]


def _save_operands(map_, geometry, *operands):
    return map_(geometry, *operands), operands


_conv.defvjp(
    functools.partial(_save_operands, _conv),
    lambda geometry, operands, dy: (
        _conv_transpose(geometry, dy, operands[1]),
        _weight_gradient(geometry, operands[0], dy),
    ),
)
_conv_transpose.defvjp(
    functools.partial(_save_operands, _conv_transpose),
    lambda geometry, operands, dx: (
        _conv(geometry, dx, operands[1]),
        _weight_gradient(geometry, dx, operands[0]),
    ),
)
_weight_gradient.defvjp(
    functools.partial(_save_operands, _weight_gradient),
    lambda geometry, operands, dkernel: (
        _conv_transpose(geometry, operands[1], dkernel),
        _conv(geometry, operands[0], dkernel),
    ),
)
