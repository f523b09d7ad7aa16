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


def truncated(z: jax.Array, psi: float) -> jax.Array:
    """z [N, D] nearer to its mean, which is 0 in every `LATENTS`, by the factor `psi`.

    Below 1 pictures are more typical and vary less. Karras et al. 2019, appendix B, do so to StyleGAN's w;
    Brock et al. 2019, section 3.1, draw again what lies far out, to the same end.
    """
    return psi * z


def spherical_interpolation(start: jax.Array, end: jax.Array, fractions: jax.Array) -> jax.Array:
    """Points on the great arc from `start` [D] to `end` [D] at `fractions` [F] of its angle: [F, D].

    In many dimensions a normal z lies close to a sphere of radius √D; a straight line between two cuts
    through its inside, where G has never been trained (White 2016). With the angle θ between a and b,
    z(f) = (a sin (1 - f)θ + b sin fθ) / sin θ (Shoemake 1985).
    """
    cosine = jnp.dot(start, end) / (jnp.linalg.norm(start) * jnp.linalg.norm(end))
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    fractions = fractions[:, None]
    straight = (1 - fractions) * start[None] + fractions * end[None]
    arc = (jnp.sin((1 - fractions) * angle) * start[None] + jnp.sin(fractions * angle) * end[None]) / jnp.sin(
        angle
    )
    return jnp.where(jnp.sin(angle) < 1e-4, straight, arc)


def rows(z: jax.Array, length: int) -> jax.Array:
    """From z[0] to z[R], …, from z[R - 1] to z[2 R - 1], [2 R, D]: [R, length, D], both ends included."""
    starts, ends = jnp.split(z, 2)
    return jax.vmap(spherical_interpolation, (0, 0, None))(starts, ends, jnp.linspace(0, 1, length))


def plane(corners: jax.Array, side: int) -> jax.Array:
    """Between four z [4, D], the corners of a square row by row: [side, side, D], spherical both ways."""
    left, right = rows(corners, side)  # from an upper corner to the one below
    return rows(jnp.concatenate([left, right]), side)


def circles(z: jax.Array, frames: int) -> jax.Array:
    """Once around the great circle through each of the first half of z [2 R, D]: [frames, R, D].

    z(t) = a cos 2πt + b sin 2πt, a being z[i], and b what of z[R + i] is at right angles to a, made as long
    as that. All frames are as far apart, and the one after the last would be the first: shown again and
    again, it never jumps.
    """
    turn = 2 * jnp.pi * jnp.arange(frames)[:, None] / frames
    length = jnp.linalg.norm

    def circle(start, end):
        across = end - start * jnp.dot(start, end) / jnp.maximum(jnp.dot(start, start), 1e-12)
        across *= length(end) / jnp.maximum(length(across), 1e-12)  # two of one direction go to and fro
        return jnp.cos(turn) * start[None] + jnp.sin(turn) * across[None]

    return jax.vmap(circle, out_axes=1)(*jnp.split(z, 2))


LATENTS = {'normal': normal, 'uniform': uniform, 'inverse_transform': inverse_transform}
