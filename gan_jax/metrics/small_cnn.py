"""A small classifier of gray pictures: the default network for those of the size of MNIST's."""

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.layers import Conv, Dense
from gan_jax.metrics.resize import resize_bilinear

SIZE = 32  # pixels


class SmallCNN(nn.Module):
    """Pictures [N, H, W, 1] of values 0 to 255 -> features [N, 128] and logits [N, 10]."""

    def setup(self):
        self.convolutions = [
            Conv(32, (4, 4), 2, 1),
            Conv(48, (3, 3), 1, 1),
            Conv(64, (4, 4), 2, 1),
            Conv(128, (3, 3), 1, 1),
        ]
        self.logits = Dense(10)

    def __call__(self, pixels):
        x = to_size(pixels) / 127.5 - 1
        for convolution in self.convolutions:
            x = nn.relu(convolution(x))
        features = jnp.mean(x, axis=(1, 2))
        return features, self.logits(features)

    def classify(self, features):
        """Logits [N, 10] of features [N, 128]."""
        return self.logits(features)


def to_size(pixels):
    """[N, H, W, C] -> [N, 32, 32, C]: smaller pictures in the middle of black, larger ones made smaller.

    So what 28 x 28 pixels show is seen alike at 28, and at 32 with a margin.
    """
    missing = [SIZE - size for size in pixels.shape[1:3]]
    if min(missing) < 0:
        return resize_bilinear(pixels, SIZE)
    return jnp.pad(pixels, ((0, 0), *((more // 2, more - more // 2) for more in missing), (0, 0)))
