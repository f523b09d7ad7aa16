"""Does a generator copy? Its pictures beside the training pictures nearest to them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.base import UserError
from gan_jax.data.domains import open_domains
from gan_jax.equalized import downscale
from gan_jax.gallery import are_points
from gan_jax.pictures import to_uint8

CHUNK = 1024  # training pictures at a time


class Nearest(NamedTuple):
    """Of each of N pictures the k nearest, the nearest first."""

    places: np.ndarray  # int [N, k], in the training set
    distances: np.ndarray  # [N, k], root mean squares of pixels' differences, of {0, …, 255}


def nearest(pictures, reals, k: int, mirrored: bool = False, own_places=None) -> Nearest:
    """The `k` training pictures nearest to each picture.

    Args:
        pictures: [N, H, W, C] from 0 to 255.
        reals: an `Images`, of the same size or of a multiple, which is averaged to theirs.
        k: how many, at most as many as there are reals.
        mirrored: whether a real's mirror image counts as that real, as where the run saw both.
        own_places: [N], where each picture itself lies among the reals, which is passed over.
    """
    wanted = [np.asarray(each, np.float32) for each in (pictures, pictures[:, :, ::-1])[: 1 + mirrored]]
    places, squares = np.zeros((len(pictures), 0), int), np.zeros((len(pictures), 0))
    for start in range(0, len(reals), CHUNK):
        here = np.arange(start, min(start + CHUNK, len(reals)))
        images = shrunk(reals.images(here), pictures.shape[1])
        found = np.min([mean_squares(each, images) for each in wanted], axis=0)
        if own_places is not None:
            found = np.where(here == own_places[:, None], np.inf, found)
        places = np.concatenate([places, np.broadcast_to(here, found.shape)], axis=1)
        squares = np.concatenate([squares, found], axis=1)
        best = np.argsort(squares, axis=1, kind='stable')[:, :k]
        places, squares = (np.take_along_axis(each, best, axis=1) for each in (places, squares))
    return Nearest(places, np.sqrt(squares))


@jax.jit
def mean_squares(x, y):
    """Of the differences between each of x [N, H, W, C] and each of y [M, H, W, C]: [N, M]."""
    return jax.lax.map(lambda each: jnp.mean((y - each[None]) ** 2, axis=(1, 2, 3)), x)


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """[N, H, W, C] in float32 at `size` pixels, each the mean of those that it stands for."""
    return np.asarray(downscale(jnp.asarray(images, jnp.float32), images.shape[1] // size))


def beside_nearest(columns: dict, data, k: int) -> tuple[dict, str]:
    """The pictures of a generator with a column for each neighbour, and what to tell a person of them.

    Figure 2 of Goodfellow et al. 2014 shows them so. How far training pictures lie from each other says what
    is near.

    Args:
        columns: of `GAN.sample`: one, of images [N, H, W, C] in [-1, 1].
        data: `config.data`.
        k: neighbours of each.

    Raises:
        UserError: they are points, or the data set is not there or has not as many pictures.
    """
    if are_points(columns):
        raise UserError(f'--neighbours: {k} will not do, as the run is of points; takes none')
    (name,) = columns
    pictures, (reals,) = to_uint8(columns[name]), open_domains(data).values()
    if k >= len(reals):
        raise UserError(f'--neighbours: {k} will not do; takes fewer than the {len(reals)} training pictures')
    size = pictures.shape[1]
    found = nearest(pictures, reals, k, data.flip)
    own = np.linspace(0, len(reals) - 1, len(pictures)).astype(int)
    others = nearest(shrunk(reals.images(own), size), reals, 1, data.flip, own)
    shown = {
        f'nearest {place + 1}': shrunk(reals.images(found.places[:, place]), size) / 127.5 - 1
        for place in range(k)
    }
    text = lambda distances: f'{np.median(distances):.1f} in the median, {np.min(distances):.1f} at least'
    return columns | shown, (
        f'to the nearest training picture: {text(found.distances[:, 0])}; from {len(own)} training pictures '
        f'to the nearest other one: {text(others.distances)} (root mean square of pixels from 0 to 255)'
    )
