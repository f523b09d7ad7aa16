"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

Around each feature of a set lies a ball that reaches to its k-th nearest neighbour in that set; what lies in
one of them is near the set. All in float64: in float32, what lies close together is as far apart as rounding.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

ROWS = 256  # of the matrix of distances at a time
# A squared distance is a difference of squares, and off by less than so much of those.
ROUNDING = 1e-13
INSIDE, WITH_EDGE = 1, -1  # what counts as in a ball: repeated pictures lie on the edges of each other's
FOR_PRECISION, FOR_DENSITY = 3, 5  # the neighbours that balls reach to, as the papers have them


@jax.enable_x64(True)
def precision_recall(real, fake, k: int = FOR_PRECISION) -> dict[str, float]:
    """'precision', the share of fakes in a real's ball, and 'recall', that of reals in a fake's.

    A ball has its edge, as in the paper's equation 1.

    Args:
        real, fake: features [N, D] and [M, D], more than `k` of each.
        k: the neighbour that a ball reaches to, the feature itself not counted.
    """
    real, fake = _centred(real, fake)
    return {'precision': _share_near(fake, real, k), 'recall': _share_near(real, fake, k)}


@jax.enable_x64(True)
def density_coverage(real, fake, k: int = FOR_DENSITY) -> dict[str, float]:
    """'density', the reals' balls that a fake lies in, over k, and 'coverage', the share with a fake in them.

    A ball is without its edge, as in the authors' code. Density may be above 1. The arguments are those of
    `precision_recall`.
    """
    real, fake = _centred(real, fake)
    radii = _radii(real, k)
    return {
        'density': float(np.mean(_balls_around(fake, real, radii, INSIDE)) / k),
        'coverage': float(np.mean(_nearest(real, fake) < radii)),
    }


def _share_near(features, others, k: int) -> float:
    """The share of features in a ball of the others."""
    return float(np.mean(np.asarray(_balls_around(features, others, _radii(others, k), WITH_EDGE)) > 0))


def _centred(real, fake):
    """Both about the reals' mean: distances are differences of squares, exact where those are small."""
    mean = np.mean(real, axis=0, dtype=np.float64)
    return tuple(jnp.asarray(np.asarray(features) - mean, jnp.float64) for features in (real, fake))


def _squared_distances(x, features):
    """From x [D] to each of features [N, D]: [N], and what rounding may have them off by."""
    squares = jnp.sum(x**2) + jnp.sum(features**2, axis=1)
    return squares - 2 * (features @ x), ROUNDING * squares


@partial(jax.jit, static_argnames='k')
def _radii(features, k):
    """The squared distance of each of [N, D] to its k-th nearest neighbour: [N]."""

    def radius(place):
        distances = _squared_distances(features[place], features)[0].at[place].set(jnp.inf)
        for _ in range(k - 1):  # on a CPU a fifth of the time that `top_k` takes
            distances = distances.at[jnp.argmin(distances)].set(jnp.inf)
        return jnp.min(distances)

    return jax.lax.map(radius, jnp.arange(len(features)), batch_size=ROWS)


@jax.jit
def _balls_around(features, centres, radii, edge):
    """In how many of the balls each of features lies, `INSIDE` or `WITH_EDGE`: [N]."""

    def count(x):
        distances, rounding = _squared_distances(x, centres)
        return jnp.sum(distances + edge * rounding < radii)

    return jax.lax.map(count, features, batch_size=ROWS)


@jax.jit
def _nearest(features, others):
    """The squared distance of each of features to the nearest of the others, if anything too large: [N]."""
    return jax.lax.map(lambda x: jnp.min(sum(_squared_distances(x, others))), features, batch_size=ROWS)
