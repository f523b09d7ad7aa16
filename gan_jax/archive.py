"""Pictures straight out of a zip archive, one at a time: nothing is extracted, no size in it is believed."""

import functools
import io
import os
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gan_jax.base import UserError
from gan_jax.reading import MOST_BYTES_READ, SUFFIXES

METHODS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED  # Python unpacks the others without a limit


class Archive(zipfile.ZipFile):
    """An archive that another process is handed by its path, and opens once."""

    def __reduce__(self):
        return _opened, (self.filename,)


@functools.lru_cache(maxsize=2)  # the two domains of a pair
def _opened(path):
    return Archive(path)


class Member(NamedTuple):
    """A picture of an archive, read when asked for."""

    archive: Archive
    info: zipfile.ZipInfo

    def __str__(self):
        name = repr(self.info.filename)[1:-1]  # without line breaks, and what a terminal would obey
        return f'{self.archive.filename}/{name}'

    def open(self, mode='rb'):
        """The picture as a binary file in memory.

        Raises:
            ValueError: it is too large, is not of the size stated, or is packed in a way that is not read.
            Exception: what zipfile raises, as where it is encrypted or damaged.
        """
        size = self.info.file_size
        if size > MOST_BYTES_READ:
            raise ValueError(f'{size:,} bytes are too many; takes at most {MOST_BYTES_READ:,}')
        if self.info.compress_type not in METHODS:
            raise ValueError(f'packed by method {self.info.compress_type}; takes 0 (stored) or 8 (deflate)')
        with self.archive.open(self.info) as file:
            content = file.read(size)  # without `size` zipfile would unpack up to 2 GiB before it counts
        if len(content) != size:
            raise ValueError(f'{len(content):,} bytes instead of the {size:,} stated')
        return io.BytesIO(content)


def members(path: Path) -> list[Member]:
    """The pictures of an archive, by their suffixes, in the order of their names.

    Raises:
        UserError: it is none, or its members lie on top of each other, as they do in a bomb: what is left of
            it unpacks to a thousand times its size at most.
    """
    try:
        archive = Archive(path)
    except Exception as error:  # zipfile raises what it meets
        raise UserError(f'DIR: {str(path)!r} is no zip archive ({error}); takes one, or a folder') from None
    if sum(info.compress_size for info in archive.infolist()) > os.path.getsize(path):
        raise UserError(f'DIR: {str(path)!r} has members on top of each other; takes an archive without')
    found = [info for info in archive.infolist() if PurePosixPath(info.filename).suffix.lower() in SUFFIXES]
    # macOS adds a file of its own beside each.
    pictures = [info for info in found if not info.is_dir() and not info.filename.startswith('__MACOSX/')]
    return [Member(archive, info) for info in sorted(pictures, key=lambda info: info.filename)]
