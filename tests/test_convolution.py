"""The CPU's fast convolutions equal the compiler's own in value and in first and second gradients."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.convolution import conv, conv_transpose, on_cpu, plain_convolutions, winograd

# kernel, strides, padding, height, width, wide side's channels, strided side's channels
SHAPES = [
    (4, 2, 1, 8, 8, 3, 16),  # DCGAN's first layer of D and, transposed, last of G
    (4, 2, 1, 8, 8, 1, 8),
    (4, 2, 1, 8, 6, 16, 12),  # its inner layers
    (4, 2, 1, 4, 4, 12, 16),
    (4, 2, 1, 7, 9, 9, 5),  # a last row and column that no tap reaches
    (4, 2, 0, 9, 8, 3, 4),
    (3, 2, 1, 8, 7, 10, 4),
    (3, 2, 1, 7, 8, 2, 4),
    (5, 2, 2, 9, 10, 8, 3),
    (5, 2, 1, 10, 9, 3, 2),
    (1, 2, 0, 5, 6, 8, 4),  # phases without a tap
    (3, 1, 1, 5, 6, 4, 8),
    (3, 1, 1, 5, 6, 8, 4),  # narrow at the other end: toRGB
    (3, 1, 1, 6, 5, 9, 12),  # Progressive Growing's inner layers
    (1, 1, 0, 4, 4, 8, 3),
    (1, 1, 1, 4, 4, 9, 8),  # padding beyond the kernel
    (7, 1, 3, 9, 8, 3, 9),  # CycleGAN's first and last layers
    (7, 1, 3, 8, 9, 9, 3),
    (6, 2, 2, 8, 9, 9, 8),
    (2, 2, 0, 6, 8, 8, 9),
    (2, 1, 1, 5, 4, 9, 8),
    (4, 1, 0, 4, 4, 10, 1),  # DCGAN's last layer of D and, transposed, first of G
]


def operands(case):
    """-> (x [N, H, W, C], kernel [k, k, C, D], y [N, H', W', D], strides, padding)"""
    k, strides, padding, height, width, c, d = case
    size = [(n + 2 * padding - k) // strides + 1 for n in (height, width)]
    rng = np.random.default_rng(0)
    x, kernel, y = (
        rng.standard_normal(shape, np.float32)
        for shape in ((2, height, width, c), (k, k, c, d), (2, *size, d))
    )
    return x, kernel, y, strides, padding


def values_and_gradients(function):
    """-> a function to its values, its gradients and the gradients of a penalty on those."""

    def loss(x, kernel):
        value = function(x, kernel)
        return jnp.mean(jnp.sin(value)), value

    def penalty(x, kernel):
        gradients, value = jax.grad(loss, (0, 1), has_aux=True)(x, kernel)
        return sum(jnp.sum(jnp.sin(g) + g**2) for g in gradients), (value, gradients)

    return jax.grad(penalty, (0, 1), has_aux=True)


def assert_close(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


CONVOLVE = functools.partial(lax.conv_general_dilated, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def as_jax_has_it(function, x, kernel, strides, padding):
    """The same convolution without our derivatives."""
    if function is conv:
        return CONVOLVE(x, kernel, (strides, strides), [(padding, padding)] * 2)
    pads = [(k - 1 - padding, k - 1 - padding) for k in kernel.shape[:2]]
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return CONVOLVE(x, flipped, (1, 1), pads, lhs_dilation=(strides, strides))


def assert_equals_jaxs_own(function, x, kernel, strides, padding):
    """Both forms, with our derivatives, against the compiler's convolution with JAX's."""
    own = values_and_gradients(lambda x, k: as_jax_has_it(function, x, k, strides, padding))
    wanted = jax.jit(own)(x, kernel)
    both = values_and_gradients(lambda x, kernel: function(x, kernel, strides, padding))
    assert_close(jax.jit(both)(x, kernel), wanted)
    with plain_convolutions():
        assert_close(jax.jit(lambda *args: both(*args))(x, kernel), wanted)


@pytest.mark.parametrize('case', SHAPES, ids=str)
@pytest.mark.parametrize('transposed', [False, True], ids=['conv', 'transpose'])
def test_equals_jaxs_own_to_second_gradients(case, transposed):
    x, kernel, y, strides, padding = operands(case)
    function, x = (conv_transpose, y) if transposed else (conv, x)
    assert_equals_jaxs_own(function, x, kernel, strides, padding)


@pytest.mark.parametrize('numbers', [0, 40, 400])
@pytest.mark.parametrize('case', [SHAPES[0], SHAPES[2], SHAPES[4], SHAPES[11], SHAPES[13]], ids=str)
def test_weight_gradients_in_pieces(case, numbers, monkeypatch):
    """Of rows, of images, and of a narrow x that is one product."""
    monkeypatch.setattr(on_cpu, 'CACHED', numbers)
    x, kernel, _, strides, padding = operands(case)
    assert_equals_jaxs_own(conv, x, kernel, strides, padding)


@pytest.mark.parametrize('images_at_once', [1, 2])
@pytest.mark.parametrize('padding', [0, 1, 2])
@pytest.mark.parametrize('transposed', [False, True], ids=['conv', 'transpose'])
def test_with_fewer_multiplications(transposed, padding, images_at_once, monkeypatch):
    monkeypatch.setattr(on_cpu, 'WIDE', 5)
    monkeypatch.setattr(on_cpu, 'WIDER', 5)
    monkeypatch.setattr(winograd, 'CACHED', images_at_once * 10 * 12 * 7)
    x, kernel, y, *_ = operands((3, 1, padding, 8, 10, 5, 7))
    function, images = (conv_transpose, y) if transposed else (conv, x)
    both = values_and_gradients(lambda images, kernel: function(images, kernel, 1, padding))
    assert 'conv_general_dilated' not in str(jax.make_jaxpr(both)(images, kernel))
    assert_equals_jaxs_own(function, images, kernel, 1, padding)


@pytest.mark.parametrize('case', SHAPES, ids=str)
def test_equals_sums_written_out(case):
    x, kernel, y, strides, padding = operands(case)
    k = kernel.shape[0]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    convolved = np.zeros_like(y)
    n, height, width, _ = y.shape
    spread = np.zeros((n, (height - 1) * strides + k, (width - 1) * strides + k, x.shape[3]), np.float32)
    for i in range(height):
        for j in range(width):
            window = np.s_[:, strides * i : strides * i + k, strides * j : strides * j + k]
            convolved[:, i, j] = np.einsum('nabc,abcd->nd', padded[window], kernel)
            spread[window] += np.einsum('nd,abcd->nabc', y[:, i, j], kernel)
    spread = spread[:, padding : spread.shape[1] - padding, padding : spread.shape[2] - padding]
    assert_close(jax.jit(conv, static_argnums=(2, 3))(x, kernel, strides, padding), convolved)
    assert_close(jax.jit(conv_transpose, static_argnums=(2, 3))(y, kernel, strides, padding), spread)


def there_and_back(x, kernel):
    """A strided and a transposed convolution, so that every form takes part in the derivatives."""
    return conv_transpose(jnp.tanh(conv(x, kernel, 2, 1)), kernel, 2, 1)


@pytest.mark.parametrize('case', SHAPES[:3], ids=str)
def test_same_inside_a_scan(case):
    x, kernel, *_ = operands(case)
    both = values_and_gradients(there_and_back)
    xs = jnp.stack([x, -2 * x])
    scanned = jax.jit(lambda xs: lax.scan(lambda _, x: (None, both(x, kernel)), None, xs)[1])(xs)
    outside = jax.jit(both)
    assert_close(scanned, jax.tree.map(lambda *leaves: jnp.stack(leaves), *(outside(x, kernel) for x in xs)))


@pytest.mark.parametrize('case', SHAPES[:3], ids=str)
def test_vmap(case):
    x, kernel, *_ = operands(case)
    both = values_and_gradients(there_and_back)
    kernels = jnp.stack([kernel, 2 * kernel])
    mapped = jax.jit(jax.vmap(both, in_axes=(None, 0)))(x, kernels)
    alone = jax.jit(both)
    assert_close(mapped, jax.tree.map(lambda *leaves: jnp.stack(leaves), *(alone(x, k) for k in kernels)))


def test_bfloat16_in_and_out():
    x, kernel, y, strides, padding = operands(SHAPES[2])
    for function, images in ((conv, x), (conv_transpose, y)):
        loss = jax.jit(
            jax.value_and_grad(lambda x, k, f=function: jnp.sum(f(x, k, strides, padding) ** 2), (0, 1))
        )
        half = loss(*(jnp.asarray(a, jnp.bfloat16) for a in (images, kernel)))
        assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {jnp.dtype('bfloat16')}
        for a, b in zip(jax.tree.leaves(half), jax.tree.leaves(loss(images, kernel)), strict=True):
            np.testing.assert_allclose(a.astype(np.float32), b, rtol=0, atol=0.03 * np.abs(b).max())


def test_no_slow_form_on_the_cpu():
    """None with a dilated input, and none through permuted dimension numbers, in any derivative."""

    def convolutions():
        programs = [
            str(jax.make_jaxpr(lambda *args, f=function: values_and_gradients(f)(*args))(*args))
            for case in SHAPES
            for x, kernel, y, strides, padding in [operands(case)]
            for function, args in [
                (lambda x, k, s=strides, p=padding: conv(x, k, s, p), (x, kernel)),
                (lambda y, k, s=strides, p=padding: conv_transpose(y, k, s, p), (y, kernel)),
            ]
        ]
        text = ' '.join(' '.join(programs).split())
        return set(re.findall(r'lhs_dilation=\((.*?)\)', text)), set(re.findall(r'lhs_spec=\((.*?)\)', text))

    assert convolutions() == ({'1, 1'}, {'0, 3, 1, 2'})
    with plain_convolutions():
        dilations, layouts = convolutions()
    assert '2, 2' in dilations
    assert len(layouts) > 1


def test_output_padding_is_the_lower_and_right_edge():
    """The transposed convolution to an even size is the gradient of the convolution from there."""
    x, y = jnp.ones((1, 8, 8, 2)), jax.random.normal(jax.random.key(0), (1, 4, 4, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 3))
    expected = jax.grad(lambda x: jnp.sum(CONVOLVE(x, kernel, (2, 2), [(1, 1)] * 2) * y))(x)
    result = conv_transpose(y, kernel, 2, 1, output_padding=1)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)
