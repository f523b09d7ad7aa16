"""The Fréchet distance of two sets of features, from their means and covariances (Heusel et al. 2017)."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Where matrix products are short of bits, as on GPUs and TPUs, small eigenvalues would be noise.
EXACT = jax.lax.Precision.HIGHEST


class Moments(NamedTuple):
    """Of a set of features: how many there are, their mean and how they scatter about it."""

    count: float
    mean: np.ndarray  # [D]
    scatter: np.ndarray  # [D, D], the sum over features of (x - mean)(x - mean)ᵀ

    @property
    def covariance(self) -> np.ndarray:
        """[D, D], unbiased; of a single feature it is 0."""
        return self.scatter / max(self.count - 1, 1)


def moments(features, weights, axis_name: str | None = None) -> Moments:
    """Those of features [N, D] or, under a mapped axis, of all devices' features together.

    Weights [N] are 1, or 0 for features that do not count.
    """
    total = (lambda x: jax.lax.psum(x, axis_name)) if axis_name else lambda x: x
    count = total(jnp.sum(weights))
    mean = total(jnp.matmul(weights, features, precision=EXACT)) / count
    centred = (features - mean[None]) * weights[:, None]
    scatter = jnp.matmul(centred.T, centred, precision=EXACT)
    return Moments(count, mean, total(scatter))


def exact_moments(features) -> Moments:
    """Those of features [N, D], in float64."""
    features = np.asarray(features, np.float64)
    mean = np.mean(features, axis=0)
    return Moments(len(features), mean, (features - mean).T @ (features - mean))


def merged(a: Moments, b: Moments) -> Moments:
    """Those of both sets together, in float64 (Chan, Golub and LeVeque 1979)."""
    count = float(a.count) + float(b.count)
    step = np.asarray(b.mean, np.float64) - a.mean
    mean = a.mean + step * (float(b.count) / count)
    between = np.outer(step, step) * (float(a.count) * float(b.count) / count)
    return Moments(count, mean, a.scatter + np.asarray(b.scatter, np.float64) + between)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½), in float64; never below 0, NaN of what is not finite.

    The trace of the root is the sum of the singular values of Σ_a^½ Σ_b^½, which covariances without full
    rank, as those of few features are, leave as exact as others: no root is taken of a product's rounding.
    """
    if not all(np.isfinite(each).all() for each in (*a, *b)):
        return math.nan
    step = np.asarray(a.mean, np.float64) - b.mean
    singular = np.linalg.svd(_root(a.covariance) @ _root(b.covariance), compute_uv=False)
    distance = step @ step + np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sum(singular)
    return max(float(distance), 0.0)


def _root(covariance) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix [D, D]."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
