"""EfficientNet-Lite0, trained on ImageNet (Tan and Le 2019; as Lite without squeezing, with ReLU6)."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.metrics.resize import resize_bilinear

SIZE = 224  # pixels


class Stage(NamedTuple):
    """Blocks of a kind; the first of them strides and widens."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    features: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def conv(name, x, features, kernel, stride=1, groups=1):
    """Padded as TensorFlow does: the odd pixel lies at the end."""
    kernel = (kernel, kernel)
    return nn.Conv(features, kernel, stride, 'SAME', feature_group_count=groups, use_bias=False, name=name)(x)


def norm(name, x):
    return nn.BatchNorm(use_running_average=True, epsilon=1e-3, name=name)(x)


class Block(nn.Module):
    """Widened, convolved channel by channel, narrowed again; added to its input where that has its shape."""

    kernel: int
    stride: int
    expansion: int
    features: int

    @nn.compact
    def __call__(self, inputs):
        x, wide = inputs, inputs.shape[-1] * self.expansion
        if self.expansion != 1:
            x = nn.relu6(norm('_bn0', conv('_expand_conv', x, wide, 1)))
        x = conv('_depthwise_conv', x, wide, self.kernel, self.stride, groups=wide)
        x = conv('_project_conv', nn.relu6(norm('_bn1', x)), self.features, 1)
        x = norm('_bn2', x)
        return x + inputs if x.shape == inputs.shape else x


class EfficientNetLite0(nn.Module):
    """Pictures [N, H, W, 3] of values 0 to 255 -> features [N, 1280] and logits [N, 1000]."""

    @nn.compact
    def __call__(self, pixels):
        x = (resize_bilinear(pixels, SIZE) - 127) / 128
        x = nn.relu6(norm('_bn0', conv('_conv_stem', x, 32, 3, 2)))
        blocks = [
            (stage.kernel, stage.stride if repeat == 0 else 1, stage.expansion, stage.features)
            for stage in STAGES
            for repeat in range(stage.repeats)
        ]
        for number, block in enumerate(blocks):
            x = Block(*block, name=f'_blocks.{number}')(x)
        x = nn.relu6(norm('_bn1', conv('_conv_head', x, 1280, 1)))
        features = jnp.mean(x, axis=(1, 2))
        return features, nn.Dense(1000, name='_fc')(features)
