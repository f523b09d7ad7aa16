"""From stored bytes to what the networks see, on the device."""

import jax
import jax.numpy as jnp


def normalize(images: jax.Array) -> jax.Array:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return images.astype(jnp.float32) / 127.5 - 1


def random_flip(images: jax.Array, keys: jax.Array) -> jax.Array:
    """Mirrors each of [N, H, W, C] left to right with probability ½, by its own key [N]."""
    flip = jax.vmap(jax.random.bernoulli)(keys)
    return jnp.where(flip[:, None, None, None], images[:, :, ::-1], images)
