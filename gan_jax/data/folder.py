"""A folder of pictures, as it is, in place of a prepared data set."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gan_jax.base import UserError
from gan_jax.reading import picture_files, read_picture, square

THREADS = 8


@dataclasses.dataclass(frozen=True)
class Folder:
    """The pictures in a folder and below it, in the order of their names; a duck like `source.Images`."""

    flag: str  # that a person gave it by, for messages
    files: list[Path]
    resolution: int  # pixels, of square pictures
    channels: int  # 1 or 3
    fit: str  # 'crop' or 'pad'

    def __len__(self):
        return len(self.files)

    def images(self, indices):
        """uint8 [n, H, W, C], the central squares; raises UserError where a file cannot be read."""
        with ThreadPoolExecutor(THREADS) as pool:
            return np.stack(list(pool.map(self._square, indices)))

    def picture(self, index):
        """One as it is, a Pillow image; raises UserError where its file cannot be read."""
        try:
            return read_picture(self.files[index], self.channels)
        except Exception as error:  # Pillow raises what its readers raise
            name = str(self.files[index])
            raise UserError(
                f'{self.flag}: {name!r} cannot be read ({error}); takes whole pictures'
            ) from error

    def _square(self, index):
        picture = self.picture(index)
        try:
            return square(picture, self.resolution, self.fit).reshape(self.resolution, self.resolution, -1)
        except ValueError as error:
            raise UserError(f'{self.flag}: {str(self.files[index])!r} {error}') from None


def open_folder(path: str, flag: str, resolution: int | None, channels: int, fit: str = 'crop') -> Folder:
    """The pictures of a folder; as large as the first one's shorter side where no resolution is given.

    Raises:
        UserError: it has none, or the first cannot be read.
    """
    files = picture_files(Path(path))
    if not files:
        raise UserError(f'{flag}: {path!r} has no pictures; takes a folder with some')
    if resolution is None:
        first = Folder(flag, files[:1], 1, channels, fit)
        resolution = min(first.picture(0).size)
    return Folder(flag, files, resolution, channels, fit)
