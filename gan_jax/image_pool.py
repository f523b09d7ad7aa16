"""A pool of the generator's earlier images, from which D is shown one as often as a new one.

D then does not forget what G used to make (Shrivastava et al. 2017, section 2.3; CycleGAN, section 4).
"""

import jax
import jax.numpy as jnp
from flax import struct

from gan_jax.latents import example_keys


@struct.dataclass
class ImagePool:
    """What is kept; the first `count` of the images are filled."""

    images: jax.Array  # float32 [size, H, W, C]
    count: jax.Array  # int32 []


def empty(size: int, image_shape: tuple[int, ...]) -> ImagePool:
    """A pool that holds at most `size` images [H, W, C], 1 or more."""
    return ImagePool(jnp.zeros((size, *image_shape)), jnp.zeros((), jnp.int32))


def query(pool: ImagePool, images: jax.Array, rng: jax.Array, positions: jax.Array, axis_name: str | None):
    """Hands in new images and takes out as many, one after another in the order of the global batch.

    While the pool is not full an image is kept and comes straight back. Then, with probability ½, a random
    one of the kept comes in its place, which it takes.

    Args:
        pool: the same on every device.
        images: this device's share of the batch [B, H, W, C].
        rng: the same key on every device.
        positions: where each image stands in the global batch [B].
        axis_name: the mapped axis over devices, None without one.

    Returns:
        (images [B, H, W, C], pool): this device's share of what was taken out, and the pool after the whole
        batch, the same on every device.
    """
    size = len(pool.images)
    share = len(images)
    if axis_name is not None:
        images, positions = jax.lax.all_gather((images, positions), axis_name, tiled=True)

    def one(pool, image_and_key):
        image, key = image_and_key
        coin, place = jax.random.split(key)
        is_filling = pool.count < size
        is_swapped = ~is_filling & jax.random.bernoulli(coin)
        place = jnp.where(is_filling, pool.count, jax.random.randint(place, (), 0, size))
        kept = jax.lax.dynamic_index_in_dim(pool.images, place, keepdims=False)
        written = jnp.where(is_filling | is_swapped, image, kept)
        pool = ImagePool(
            jax.lax.dynamic_update_index_in_dim(pool.images, written, place, 0), pool.count + is_filling
        )
        return pool, jnp.where(is_swapped, kept, image)

    pool, taken = jax.lax.scan(one, pool, (images, example_keys(rng, positions)))
    if axis_name is not None:
        taken = jax.lax.dynamic_slice_in_dim(taken, jax.lax.axis_index(axis_name) * share, share)
    return taken, pool
