"""Pictures brought to the size that a feature network was trained on."""

import jax.numpy as jnp
import numpy as np


def resize_bilinear(images, size: int):
    """[N, H, W, C] -> [N, size, size, C] as TensorFlow 1 did it, without half pixels and without smoothing.

    Each new pixel lies between the two old ones at place · H / size, rounded down, and the next.
    """
    for axis in (1, 2):
        images = _along(images, axis, size)
    return images


def _along(images, axis, size):
    old = images.shape[axis]
    places = np.arange(size, dtype=np.float32) * np.float32(old / size)
    low = places.astype(np.int32)
    shape = [1] * images.ndim
    shape[axis] = size
    weight = (places - low).reshape(shape)
    at = lambda index: jnp.take(images, np.minimum(index, old - 1), axis=axis)
    return at(low) + (at(low + 1) - at(low)) * weight
