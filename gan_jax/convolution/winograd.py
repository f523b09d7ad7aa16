"""3 x 3 convolutions with 4 multiplications in place of 9, for CPUs (Lavin and Gray 2016, F(2 x 2, 3 x 3)).

A tile of 2 x 2 output pixels sees 4 x 4 of the input. With d the input, g the kernel and ⊙ entry by entry,

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,

so that one matrix product over the channels serves all tiles, for each of the 16 entries. Here a matrix is a
list of rows, and each entry an array over tiles and channels. Bᵀ, G and Aᵀ hold 0, ±1 and ½ alone, and are
written as what they make of a column.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

CACHED = 5 * 2**18  # numbers of the input at once: five megabytes, which the cache of two x86-64 cores holds

B_TRANSPOSED = lambda a, b, c, d: (a - c, b + c, c - b, b - d)
G = lambda a, b, c: (a, (a + b + c) / 2, (a - b + c) / 2, c)
A_TRANSPOSED = lambda a, b, c, d: (a + b + c, b - c - d)
A = lambda a, b: (a, a + b, a - b, -b)
G_TRANSPOSED = lambda a, b, c, d: (a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d)


def can_do(strides: int, padding: int, image_shape: tuple[int, ...], kernel_size: tuple[int, int]) -> bool:
    """Whether the maps below are there for images [H, W, C], and one of them fits into the cache."""
    h, w, _ = image_shape
    is_even = h % 2 == 0 and w % 2 == 0 and min(h, w) >= 4
    is_small = math.prod(image_shape) <= CACHED
    return strides == 1 and padding <= 2 and kernel_size == (3, 3) and is_even and is_small


def convolve(x, kernel, padding):
    """[N, H, W, C] with `padding` zeros around, [3, 3, C, D] -> [N, H', W', D]."""
    of_kernel = _on_both_sides(G, [[kernel[i, j] for j in range(3)] for i in range(3)])

    def piece(x):
        of_input = _input_entries(x, padding)
        # Flat, as products of more than two axes take a slower path.
        product = lambda tiles, entry: (_flat(tiles) @ entry).reshape(*tiles.shape[:3], -1)
        pixels = _on_both_sides(A_TRANSPOSED, _products(product, of_input, of_kernel))
        return jnp.stack([jnp.stack(row, 3) for row in pixels], 2)  # [n, H' / 2, 2, W' / 2, 2, D]

    n, h, w, _ = x.shape
    images = _images_at_once(x)
    y = lax.map(piece, x.reshape(-1, images, *x.shape[1:]))
    return y.reshape(n, h + 2 * padding - 2, w + 2 * padding - 2, -1)


def weight_gradient(x, y, padding):
    """`convolve` transposed in its kernel: x [N, H, W, C], y [N, H', W', D] -> [3, 3, C, D]."""

    images = _images_at_once(x)
    x_pieces, y_pieces = (each.reshape(-1, images, *each.shape[1:]) for each in (x, y))

    def piece(i):
        x, y = x_pieces[i], y_pieces[i]
        of_output = _on_both_sides(A, [[y[:, i::2, j::2] for j in range(2)] for i in range(2)])
        product = lambda tiles, gradient: _flat(tiles).T @ _flat(gradient)
        return _products(product, _input_entries(x, padding), of_output)

    add = lambda total, i: (jax.tree.map(jnp.add, total, piece(i)), None)
    total, _ = lax.scan(add, piece(0), jnp.arange(1, len(x_pieces)))
    return jnp.stack([jnp.stack(row) for row in _on_both_sides(G_TRANSPOSED, total)])


def _on_both_sides(matrix, entries):
    """M X Mᵀ."""
    transposed = [matrix(*row) for row in entries]
    columns = [matrix(*column) for column in zip(*transposed, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _products(product, left, right):
    """Entry by entry."""
    return [[product(*pair) for pair in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def _input_entries(x, padding):
    """Bᵀ d B of every tile of [n, H, W, C], `padding` zeros around: 4 x 4 entries [n, H' / 2, W' / 2, C]."""
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    h, w = x.shape[1] - 2, x.shape[2] - 2
    tiles = [[x[:, i : i + h : 2, j : j + w : 2] for j in range(4)] for i in range(4)]
    return _on_both_sides(B_TRANSPOSED, tiles)


def _flat(tiles):
    return tiles.reshape(-1, tiles.shape[-1])


def _images_at_once(x):
    return largest_divisor(len(x), CACHED // math.prod(x.shape[1:]))


def largest_divisor(n: int, most: int) -> int:
    """Of n, but 1 where `most` is less."""
    return max(divisor for divisor in range(1, n + 1) if n % divisor == 0 and divisor <= max(1, most))
