"""Inception-v3 as the FID has it: the network of 2015, with 1,008 classes and the pooling of its graph.

It differs from that of Szegedy et al. (2016) in three places: averages leave out what lies beyond the edge,
the last block pools by the maximum, and pictures come to 299 x 299 pixels as TensorFlow 1 resized them.
Modules have the names of PyTorch's ports, whose files of weights they are filled from.
"""

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.metrics.resize import resize_bilinear

SIZE = 299  # pixels


class Conv(nn.Module):
    """A convolution, batch norm by its running statistics, and ReLU."""

    features: int
    kernel: tuple[int, int]
    stride: int
    padding: str

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.features, self.kernel, self.stride, self.padding, use_bias=False, name='conv')(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name='bn')(x))


def conv(name, features, kernel, x, stride=1, padding='SAME'):
    """`Conv` by that name, of a square kernel or of one of two sizes."""
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Conv(features, kernel, stride, padding, name=name)(x)


def halving(name, features, x):
    """3 x 3 pixels to one, without any beyond the edge."""
    return conv(name, features, 3, x, stride=2, padding='VALID')


def average(x):
    return nn.avg_pool(x, (3, 3), padding='SAME', count_include_pad=False)


def maximum(x):
    return nn.max_pool(x, (3, 3), padding='SAME')


def halved(x):
    return nn.max_pool(x, (3, 3), (2, 2))


def joined(*branches):
    return jnp.concatenate(branches, axis=-1)


class BlockA(nn.Module):
    """35 x 35 pixels."""

    pooled: int  # features of the branch that pools

    @nn.compact
    def __call__(self, x):
        one = conv('branch1x1', 64, 1, x)
        five = conv('branch5x5_2', 64, 5, conv('branch5x5_1', 48, 1, x))
        double = conv('branch3x3dbl_2', 96, 3, conv('branch3x3dbl_1', 64, 1, x))
        double = conv('branch3x3dbl_3', 96, 3, double)
        return joined(one, five, double, conv('branch_pool', self.pooled, 1, average(x)))


class BlockB(nn.Module):
    """35 x 35 pixels to 17 x 17."""

    @nn.compact
    def __call__(self, x):
        double = conv('branch3x3dbl_2', 96, 3, conv('branch3x3dbl_1', 64, 1, x))
        return joined(halving('branch3x3', 384, x), halving('branch3x3dbl_3', 96, double), halved(x))


class BlockC(nn.Module):
    """17 x 17 pixels; a 7 x 7 convolution is a row and a column."""

    inner: int  # features within the branches

    @nn.compact
    def __call__(self, x):
        row, column, inner = (1, 7), (7, 1), self.inner
        one = conv('branch1x1', 192, 1, x)
        seven = conv('branch7x7_2', inner, row, conv('branch7x7_1', inner, 1, x))
        seven = conv('branch7x7_3', 192, column, seven)
        double = conv('branch7x7dbl_2', inner, column, conv('branch7x7dbl_1', inner, 1, x))
        double = conv('branch7x7dbl_4', inner, column, conv('branch7x7dbl_3', inner, row, double))
        double = conv('branch7x7dbl_5', 192, row, double)
        return joined(one, seven, double, conv('branch_pool', 192, 1, average(x)))


class BlockD(nn.Module):
    """17 x 17 pixels to 8 x 8."""

    @nn.compact
    def __call__(self, x):
        three = halving('branch3x3_2', 320, conv('branch3x3_1', 192, 1, x))
        seven = conv('branch7x7x3_2', 192, (1, 7), conv('branch7x7x3_1', 192, 1, x))
        seven = halving('branch7x7x3_4', 192, conv('branch7x7x3_3', 192, (7, 1), seven))
        return joined(three, seven, halved(x))


class BlockE(nn.Module):
    """8 x 8 pixels; a 3 x 3 convolution is a row beside a column."""

    pool: str  # 'average' or 'maximum'

    @nn.compact
    def __call__(self, x):
        row_and_column = lambda name, x: joined(
            conv(f'{name}a', 384, (1, 3), x), conv(f'{name}b', 384, (3, 1), x)
        )
        one = conv('branch1x1', 320, 1, x)
        three = row_and_column('branch3x3_2', conv('branch3x3_1', 384, 1, x))
        double = conv('branch3x3dbl_2', 384, 3, conv('branch3x3dbl_1', 448, 1, x))
        pooled = average(x) if self.pool == 'average' else maximum(x)
        return joined(
            one, three, row_and_column('branch3x3dbl_3', double), conv('branch_pool', 192, 1, pooled)
        )


class InceptionV3(nn.Module):
    """Pictures [N, H, W, 3] of values 0 to 255 -> features [N, 2048] and logits [N, 1008].

    The logits are without their bias, as the inception score has always taken them.
    """

    @nn.compact
    def __call__(self, pixels):
        x = (resize_bilinear(pixels, SIZE) - 128) / 128
        x = conv('Conv2d_2a_3x3', 32, 3, halving('Conv2d_1a_3x3', 32, x), padding='VALID')
        x = halved(conv('Conv2d_2b_3x3', 64, 3, x))
        x = conv('Conv2d_4a_3x3', 192, 3, conv('Conv2d_3b_1x1', 80, 1, x), padding='VALID')
        x = halved(x)
        for name, pooled in (('Mixed_5b', 32), ('Mixed_5c', 64), ('Mixed_5d', 64)):
            x = BlockA(pooled, name=name)(x)
        x = BlockB(name='Mixed_6a')(x)
        for name, inner in (('Mixed_6b', 128), ('Mixed_6c', 160), ('Mixed_6d', 160), ('Mixed_6e', 192)):
            x = BlockC(inner, name=name)(x)
        x = BlockD(name='Mixed_7a')(x)
        for name, pool in (('Mixed_7b', 'average'), ('Mixed_7c', 'maximum')):
            x = BlockE(pool, name=name)(x)
        features = jnp.mean(x, axis=(1, 2))
        return features, nn.Dense(1008, use_bias=False, name='fc')(features)
