"""A person's own picture before a run: as its D sees it, and translated, where its G translates."""

import tempfile
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from gan_jax.base import UserError
from gan_jax.explorer.views import Run, Seen
from gan_jax.nearest import shrunk
from gan_jax.pictures import to_uint8
from gan_jax.reading import read_picture, square
from gan_jax.translate import padded

MOST_SIDE = 512  # pixels of a picture to translate, or the run's own resolution where that is more
ONE_AT_A_TIME = threading.Lock()


def read_upload(path: str, channels: int):
    """A Pillow image, the file being deleted; raises UserError, in words for a page, where it is none."""
    uploads = Path(tempfile.gettempdir()).resolve()
    if not Path(path).resolve().is_relative_to(uploads):  # a browser says where its upload lies
        raise UserError('This file has not been uploaded.')
    try:
        with ONE_AT_A_TIME:  # as a large one takes a gigabyte
            return read_picture(Path(path), channels)
    except Exception as error:  # Pillow raises what its readers raise
        raise UserError(f'This file cannot be read as a picture: {error}') from None
    finally:
        Path(path).unlink(missing_ok=True)


def as_trained(picture, data, resolution: int) -> np.ndarray:
    """A Pillow image in the form of the data: uint8 [resolution, resolution, C].

    Args:
        picture: of any size.
        data: `config.data`.
        resolution: of the stage, which divides that of the data.
    """
    fits = data.fit == 'pad' and max(picture.size) <= data.resolution
    pixels = square(picture, data.resolution, 'pad' if fits else 'crop')
    return smaller(pixels.reshape(1, data.resolution, data.resolution, data.channels), resolution)[0]


def smaller(images: np.ndarray, resolution: int) -> np.ndarray:
    """uint8 [N, H, H, C] as reals are made smaller for a lower level."""
    return np.rint(shrunk(images, resolution)).astype(np.uint8)


def judged(run: Run, step: int, pixels: np.ndarray) -> Seen:
    """A picture, uint8 [H, W, C], with what the checkpoint's D says to it."""
    column = next(iter(run.gan.targets))
    return Seen(pixels, run.probability(step, {column: as_floats(pixels)}))


def example(run: Run, step: int, domain: str = 'image') -> np.ndarray | None:
    """Any picture that the run was trained on, at the checkpoint's resolution; None where none are here."""
    if domain not in run.data:
        return None
    images = run.data[domain]
    (pixels,) = images.images([np.random.default_rng().integers(len(images))])
    return smaller(pixels[None], run.stage(step).resolution)[0]


def translated(run: Run, step: int, domain: str, pixels: np.ndarray) -> dict[str, Seen]:
    """{column: as seen}: a picture of a domain, uint8 [H, W, C], translated, and translated back."""
    height, width = pixels.shape[:2]
    columns = run.columns(step, {domain: as_floats(padded(pixels[None])[0])})
    columns = {name: column[:, :height, :width] for name, column in columns.items()}
    return {name: Seen(to_uint8(x[0]), run.probability(step, {name: x})) for name, x in columns.items()}


def for_translation(picture, resolution: int) -> np.ndarray:
    """A Pillow image, made smaller where it is large: uint8 [H, W, C]."""
    most = max(MOST_SIDE, resolution)
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    return pixels.reshape(*pixels.shape[:2], -1)


def as_floats(pixels: np.ndarray) -> jax.Array:
    """uint8 [H, W, C] to [1, H, W, C] in [-1, 1]."""
    return jnp.asarray(pixels[None], jnp.float32) / 127.5 - 1
