"""Where z comes from: random numbers for each example, whichever device draws them.

An example's numbers depend on the key and on its position in the global batch alone, so that eight devices
draw what one would, each only its own share.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri


def example_keys(rng: jax.Array, positions: jax.Array) -> jax.Array:
    """One key per example [N], from the global positions [N] in the batch."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(rng, positions)


def normal(keys: jax.Array, dim: int) -> jax.Array:
    """z [N, dim] ~ N(0, 1)."""
    return jax.vmap(lambda key: jax.random.normal(key, (dim,)))(keys)


def uniform(keys: jax.Array, dim: int) -> jax.Array:
    """z [N, dim] uniform in ±√3, the uniform noise with variance 1."""
    return jax.vmap(lambda key: jax.random.uniform(key, (dim,), minval=-(3**0.5), maxval=3**0.5))(keys)


def inverse_transform(keys: jax.Array, dim: int) -> jax.Array:
    """z [N, dim] ~ N(0, 1) by inverse transform sampling: z = Φ⁻¹(u), u uniform in (0, 1).

    If u is uniform, P(Φ⁻¹(u) ≤ z) = P(u ≤ Φ(z)) = Φ(z): the numbers have the normal's distribution function.
    """
    # 2^-25 keeps u off 0, where Φ⁻¹ is minus infinity; uniform() itself never reaches 1.
    u = jax.vmap(lambda key: jax.random.uniform(key, (dim,), minval=2.0**-25))(keys)
    return ndtri(u)


def spherical_interpolation(start: jax.Array, end: jax.Array, fractions: jax.Array) -> jax.Array:
    """Points on the great arc from `start` [D] to `end` [D] at `fractions` [F] of its angle: [F, D].

    In many dimensions a normal z lies close to a sphere of radius √D; a straight line between two cuts
    through its inside, where G has never been trained (White 2016).
    """
    cosine = jnp.dot(start, end) / (jnp.linalg.norm(start) * jnp.linalg.norm(end))
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    fractions = fractions[:, None]
    straight = (1 - fractions) * start[None] + fractions * end[None]
    arc = (jnp.sin((1 - fractions) * angle) * start[None] + jnp.sin(fractions * angle) * end[None]) / jnp.sin(
        angle
    )
    return jnp.where(jnp.sin(angle) < 1e-4, straight, arc)


LATENTS = {'normal': normal, 'uniform': uniform, 'inverse_transform': inverse_transform}
