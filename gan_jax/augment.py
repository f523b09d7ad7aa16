"""From stored bytes to what the networks see, on the device."""

import jax
import jax.numpy as jnp


def normalize(examples: jax.Array) -> jax.Array:
    """Images uint8 [0, 255] to float32 [-1, 1]; points as they come, float32."""
    return examples.astype(jnp.float32) / 127.5 - 1 if examples.dtype == jnp.uint8 else examples


def enlarge_and_crop(images: jax.Array, keys: jax.Array, size: int) -> jax.Array:
    """[N, H, H, C] enlarged to `size` pixels (bicubic), a random part of H pixels of each, by its key [N]."""
    n, h, w, c = images.shape
    if size == h:
        return images
    enlarged = jax.image.resize(images, (n, size, size, c), 'cubic').clip(-1, 1)
    corners = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, size - h + 1))(keys)
    return jax.vmap(lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), (h, w, c)))(
        enlarged, corners
    )


def random_flip(images: jax.Array, keys: jax.Array) -> jax.Array:
    """Mirrors each of [N, H, W, C] left to right with probability ½, by its own key [N]."""
    flip = jax.vmap(jax.random.bernoulli)(keys)
    return jnp.where(flip[:, None, None, None], images[:, :, ::-1], images)
