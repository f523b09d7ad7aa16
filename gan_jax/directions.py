"""Principal directions of a generator: the few ways of moving z that change its first activations most."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

MOST_NUMBERS = 2**23  # in all activations together
SAMPLES = 1024, 4096  # of z, at least and at most
CHUNK = 256  # of them at once
OVERSAMPLED, ITERATIONS = 24, 8  # of the subspace iteration


class Directions(NamedTuple):
    """Of K principal components, the largest first."""

    steps: np.ndarray  # [K, D]: what moves z by one standard deviation of a component
    explained: np.ndarray  # [K]: its share of the activations' variance


def principal_directions(gan, player, draw, images_seen, number: int) -> Directions:
    """GANSpace's directions (Härkönen et al. 2020, section 3): PCA of the first activations, back in z.

    Args:
        gan: whose `sample` takes z [N, D].
        player: (params, model_state) of its generator.
        draw: n -> z [n, D].
        images_seen: see `GAN.sample`.
        number: of directions, at most; there are no more than D.
    """
    activate = jax.jit(partial(first_activations, gan, player, images_seen=images_seen))
    features = jax.eval_shape(activate, draw(1)).shape[1]
    fewest, most = SAMPLES
    z = draw(min(most, max(fewest, MOST_NUMBERS // features)) // CHUNK * CHUNK)
    activations = np.concatenate([jax.device_get(activate(chunk)) for chunk in jnp.split(z, len(z) // CHUNK)])
    return of_activations(np.asarray(z), activations, number)


def first_activations(gan, player, z, images_seen) -> jax.Array:
    """What the first module with parameters makes of z [N, D], as [N, F]; the outputs where there is none."""
    activations = []

    def keep_first(call, arguments, keywords, context):
        y = call(*arguments, **keywords)
        # Modules around others return after them.
        if not activations and context.module.variables.get('params'):
            activations.append(y)
        return y

    with nn.intercept_methods(keep_first):
        columns = gan.sample(*player, z, images_seen)
    first = (activations or jax.tree.leaves(columns))[0]
    return first.reshape(len(z), -1).astype(jnp.float32)


def of_activations(z: np.ndarray, activations: np.ndarray, number: int) -> Directions:
    """The directions in z [N, D] of the principal components of activations [N, F]; see `Directions`."""
    centred = activations - activations.mean(axis=0)
    coordinates = principal_coordinates(centred, min(number, z.shape[1], *centred.shape))
    deviations = np.sqrt(np.mean(coordinates**2, axis=0))
    is_there = deviations > 1e-6 * deviations.max(initial=0)  # of a G that ignores some of z, or all
    coordinates, deviations = coordinates[:, is_there], deviations[is_there]
    # Regression of z on the coordinates, which are uncorrelated: each has its own.
    steps = (coordinates / deviations).T @ (z - z.mean(axis=0)) / len(z)
    largest = np.take_along_axis(steps, np.abs(steps).argmax(axis=1)[:, None], axis=1)
    # A component has no sign of its own.
    return Directions(np.sign(largest) * steps, deviations**2 / np.sum(np.mean(centred**2, axis=0)))


def principal_coordinates(centred: np.ndarray, number: int) -> np.ndarray:
    """Of rows [N, F] whose mean is 0, on their first principal components: [N, number].

    By subspace iteration (Halko et al. 2011, algorithm 4.4): a whole SVD of thousands of features takes
    seconds.
    """
    columns = min(number + OVERSAMPLED, *centred.shape)
    basis = np.random.default_rng(0).normal(size=(centred.shape[1], columns)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    left, singular, _ = np.linalg.svd(centred @ basis, full_matrices=False)
    return (left * singular)[:, :number]
