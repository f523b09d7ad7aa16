"""The three maps of this package in the forms that are fast on CPUs.

XLA leaves more to do by hand there: a convolution with a dilated input is slow and its gradient to the
weights is thirty times slower still, and a convolution through permuted dimension numbers falls off the fast
path inside a `lax.scan`. None of these forms has either. Where each is chosen was measured on two x86-64
cores.
"""

import functools
from typing import Any

import jax.numpy as jnp
from jax import lax

from gan_jax.convolution import winograd
from gan_jax.convolution.winograd import largest_divisor

NARROW = 8  # fewer channels than this are too few for a convolution
WIDE, WIDER = 128, 256  # so many are enough for Winograd's, and for his gradient to the weights
CACHED = 2**17  # numbers of float32: half a megabyte, which a core's own cache holds

_convolve = functools.partial(lax.conv_general_dilated, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def conv(geometry, x, kernel):
    """(x [N, H, W, C], kernel [k_h, k_w, C, D]) -> y [N, H', W', D]."""
    s, p, _, kernel_size = geometry
    if winograd.can_do(s, p, x.shape[1:], kernel_size) and min(kernel.shape[2:]) >= WIDE:
        return winograd.convolve(x, kernel, p)
    return _convolve(x, kernel, (s, s), [(p, p), (p, p)])


def conv_transpose(geometry, y, kernel):
    """(y [N, H', W', D], kernel [k_h, k_w, C, D]) -> x [N, H, W, C]."""
    s, p, _, kernel_size = geometry
    if winograd.can_do(s, p, y.shape[1:], kernel_size) and min(kernel.shape[2:]) >= WIDE:
        return winograd.convolve(y, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), 2 - p)
    # A narrow output leaves the convolutions of the phases too little to do, and on the smallest maps most of
    # their taps fall on padding: there one product over all taps is faster, up to thirty times.
    narrow, small = kernel.shape[2] < NARROW, y.shape[1] * y.shape[2] <= 4
    if (s > 1 and narrow) or small or min(kernel_size) < s:  # the last: some phases have no tap
        return _by_overlap_add(geometry, y, kernel)
    return _by_phases(geometry, y, kernel)


def weight_gradient(geometry, x, y):
    """(x [N, H, W, C], y [N, H', W', D]) -> kernel [k_h, k_w, C, D]."""
    s, p, _, kernel_size = geometry
    if winograd.can_do(s, p, x.shape[1:], kernel_size) and min(x.shape[3], y.shape[3]) >= WIDER:
        return winograd.weight_gradient(x, y, p)
    if s == 1 and y.shape[3] < x.shape[3]:  # the narrower side had better be the one that is shifted
        mirrored = _correlate(y, x, [k - 1 - p for k in kernel_size], 1, kernel_size)
        return jnp.flip(mirrored, (0, 1)).swapaxes(2, 3)
    return _correlate(x, y, (p, p), s, kernel_size)


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
    if c < NARROW and (s > 1 or y.size > 4 * CACHED):
        place = lambda a, b: x[:, a : a + reach_h : s, b : b + reach_w : s].reshape(-1, c)
        places = jnp.concatenate([place(a, b) for a in range(k_h) for b in range(k_w)], 1)
        return jnp.dot(y.reshape(-1, d).T, places).T.reshape(k_h, k_w, c, d)

    rows = largest_divisor(h, CACHED // (w * d))
    images = largest_divisor(n, CACHED // (h * w * d))

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
