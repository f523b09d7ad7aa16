"""Convolution and transposed convolution in the form that is fast on the backend at hand.

All of it rests on one function that is linear in each of three arguments,

    T(x, kernel, y) = sum over n, i, j, a, b, c, d of
                      y[n, i, j, d] · kernel[a, b, c, d] · x[n, s·i + a − p, s·j + b − p, c],

whose gradients to y, to x and to the kernel are the convolution, the transposed convolution and the weight
gradient. The derivatives of each of these three maps are the other two, which is why they differentiate any
number of times (in reverse mode).

On a GPU or TPU each map is one convolution of the compiler's own. Left to differentiate a transposed one, JAX
would write its weight gradient as a convolution that GPUs run up to forty times slower. On a CPU XLA leaves
more to do by hand: a convolution with a dilated input is slow and its gradient to the weights is thirty times
slower still, and a convolution through permuted dimension numbers falls off the fast path inside a
`lax.scan`. So the CPU gets forms without either.
"""

import contextlib
import contextvars
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_convolve = functools.partial(lax.conv_general_dilated, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
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


def conv_transpose(x, kernel, strides, padding):
    """The gradient of `conv` to its input: PyTorch's ConvTranspose2d.

    Args:
        x: [N, H, W, C_in].
        kernel: [k_h, k_w, C_out, C_in], the kernel of the convolution whose gradient this is. PyTorch's
            weight [C_in, C_out, k_h, k_w] is this with axes (2, 3, 1, 0).
        strides, padding: those of that convolution.

    Returns:
        [N, H', W', C_out] with H' = (H − 1) · strides − 2 · padding + k_h.
    """
    height, width = ((x.shape[1 + i] - 1) * strides - 2 * padding + kernel.shape[i] for i in range(2))
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


# Measured on two x86-64 cores, as are all the rules that choose a form.
_NARROW = 8  # fewer channels than this are too few for a convolution
_CACHED_NUMBERS = 2**17  # of float32: half a megabyte, which a core's own cache holds


class _Geometry(NamedTuple):
    """What the three maps need beside their operands; x is the wide side, y the strided one."""

    strides: int
    padding: int
    size: tuple[int, int]  # height and width of x, which those of y do not determine where strides > 1
    kernel_size: tuple[int, int]


def _compilers_own(geometry, x, kernel):
    """(x [N, H, W, C], kernel [k_h, k_w, C, D]) -> y [N, H', W', D]."""
    s, p = geometry.strides, geometry.padding
    return _convolve(x, kernel, (s, s), [(p, p), (p, p)])


_conv = _custom_vjp(_compilers_own)  # which is fast on every backend


@_custom_vjp
def _conv_transpose(geometry, y, kernel):
    """(y [N, H', W', D], kernel [k_h, k_w, C, D]) -> x [N, H, W, C]."""
    if _is_plain():
        x = jax.ShapeDtypeStruct((len(y), *geometry.size, kernel.shape[2]), y.dtype)
        return jax.linear_transpose(lambda x: _compilers_own(geometry, x, kernel), x)(y)[0]
    # A narrow output leaves the convolutions of the phases too little to do, and on the smallest maps most of
    # their taps fall on padding: there one product over all taps is faster, up to thirty times.
    s, _, _, kernel_size = geometry
    narrow, small = kernel.shape[2] < _NARROW, y.shape[1] * y.shape[2] <= 4
    if (s > 1 and narrow) or small or min(kernel_size) < s:  # the last: some phases have no tap
        return _by_overlap_add(geometry, y, kernel)
    return _by_phases(geometry, y, kernel)


@_custom_vjp
def _weight_gradient(geometry, x, y):
    """(x [N, H, W, C], y [N, H', W', D]) -> kernel [k_h, k_w, C, D]."""
    if _is_plain():
        kernel = jax.ShapeDtypeStruct((*geometry.kernel_size, x.shape[3], y.shape[3]), x.dtype)
        return jax.linear_transpose(lambda kernel: _compilers_own(geometry, x, kernel), kernel)(y)[0]
    s, p, _, kernel_size = geometry
    if s == 1 and y.shape[3] < x.shape[3]:  # the narrower side had better be the one that is shifted
        mirrored = _correlate(y, x, [k - 1 - p for k in kernel_size], 1, kernel_size)
        return jnp.flip(mirrored, (0, 1)).swapaxes(2, 3)
    return _correlate(x, y, (p, p), s, kernel_size)


def _correlate(x, y, padding, s, kernel_size):
    """Sums x [N, H, W, C] · y [N, h, w, D] over N and pixels, at each place of y on x -> [k_h, k_w, C, D].

    As a convolution whose kernel is y, in pieces that the cache can hold, where the whole would be fetched
    again and again; or as one matrix product of all places where x is narrow.
    """
    (n, h, w, d), (k_h, k_w), c = y.shape, kernel_size, x.shape[3]
    reach_h, reach_w = (s * (length - 1) + 1 for length in (h, w))
    # The far padding is negative where no tap reaches the last row or column.
    near_and_far = [
        (p, reach + k - 1 - size - p, 0)
        for p, reach, k, size in zip(padding, (reach_h, reach_w), kernel_size, x.shape[1:3], strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *near_and_far, (0, 0, 0)])
    if c < _NARROW and (s > 1 or y.size > 4 * _CACHED_NUMBERS):
        place = lambda a, b: x[:, a : a + reach_h : s, b : b + reach_w : s].reshape(-1, c)
        places = jnp.concatenate([place(a, b) for a in range(k_h) for b in range(k_w)], 1)
        return jnp.dot(y.reshape(-1, d).T, places).T.reshape(k_h, k_w, c, d)

    rows = _largest_divisor(h, _CACHED_NUMBERS // (w * d))
    images = _largest_divisor(n, _CACHED_NUMBERS // (h * w * d))

    def piece(image, row):
        of_x = lax.dynamic_slice(x, (image, s * row, 0, 0), (images, s * (rows - 1) + k_h, x.shape[2], c))
        of_y = lax.dynamic_slice(y, (image, row, 0, 0), (images, rows, w, d))
        # The barriers keep XLA from folding the transposes into the convolution's dimension numbers, which
        # inside a scan would cost it the fast path (two hundred times the time).
        of_x = lax.optimization_barrier(of_x.transpose(3, 1, 2, 0))
        of_y = lax.optimization_barrier(of_y.transpose(1, 2, 0, 3))
        return _convolve(of_x, of_y, (1, 1), 'VALID', rhs_dilation=(s, s))

    corners = [(image, row) for image in range(0, n, images) for row in range(0, h, rows)]
    kernel = piece(*corners[0])
    if len(corners) > 1:
        add = lambda kernel, corner: (kernel + piece(*corner), None)
        kernel, _ = lax.scan(add, kernel, jnp.array(corners[1:]))
    return kernel.transpose(1, 2, 0, 3)


def _largest_divisor(n, most):
    """Of n, but 1 where `most` is less."""
    return max(divisor for divisor in range(1, n + 1) if n % divisor == 0 and divisor <= max(1, most))


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


def _by_phases(geometry, y, kernel):
    """The transposed convolution as s · s plain ones, one for each phase: the pixels' (row, column) mod s."""
    s, p, size, kernel_size = geometry
    flipped = kernel.swapaxes(2, 3)

    def axis_phase(phase, axis):
        """Pixel s·q + phase sums y[q + shift − m] · kernel[first + s·m] over m."""
        first = (phase + p) % s
        shift = (phase + p - first) // s
        taps = -(-(kernel_size[axis] - first) // s)
        length = -(-size[axis] // s)  # the same for every phase; the surplus is cut off below
        return first, (taps - 1 - shift, length + shift - y.shape[1 + axis])

    rows = []
    for row in range(s):
        columns = []
        for column in range(s):
            (a, pad_h), (b, pad_w) = axis_phase(row, 0), axis_phase(column, 1)
            taps = jnp.flip(flipped[a::s, b::s], (0, 1))
            columns.append(_convolve(y, taps, (1, 1), [pad_h, pad_w]))
        rows.append(jnp.stack(columns, 3))
    n, h, w, _, c = rows[0].shape
    x = jnp.stack(rows, 2).reshape(n, h * s, w * s, c)
    return x[:, : size[0], : size[1]]


def _by_overlap_add(geometry, y, kernel):
    """The transposed convolution as one matrix product, whose k_h by k_w patches are then added in place."""
    s, p, size, kernel_size = geometry
    m_h, m_w = (-(-k // s) for k in kernel_size)
    kernel = jnp.pad(kernel, ((0, m_h * s - kernel_size[0]), (0, m_w * s - kernel_size[1]), (0, 0), (0, 0)))
    n, h, w, d = y.shape
    c = kernel.shape[2]
    patches = jnp.dot(y.reshape(-1, d), kernel.reshape(-1, d).T)
    patches = patches.reshape(n, h, w, m_h, s, m_w, s, c)
    # Tap s·m + phase of the patch at q lands on pixel s·(q + m) + phase − p.
    # The rows are [n, h', w, s, m_w, s, c], and x is first [n, h', w', s, s, c].
    rows: Any = sum(_pad(patches[:, :, :, m], 1, m, m_h - 1 - m) for m in range(m_h))
    x: Any = sum(_pad(rows[:, :, :, :, m], 2, m, m_w - 1 - m) for m in range(m_w))
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(n, (h + m_h - 1) * s, (w + m_w - 1) * s, c)
    missing = [max(0, p + size[i] - x.shape[1 + i]) for i in range(2)]
    x = jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    return x[:, p : p + size[0], p : p + size[1]]


def _pad(x, axis, low, high):
    return jnp.pad(x, [(low, high) if i == axis else (0, 0) for i in range(x.ndim)])
