"""Pictures that lie side by side in an array: IDX files, as MNIST has them, and NumPy's `.npz`."""

import gzip
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan_jax.archive import METHODS

MOST_BYTES = 2**31  # of an array, all of which is held in memory
OF_BYTES = b'\0\0\x08'  # how an IDX file of uint8 begins; a fourth byte has the number of axes
PREFERRED = 'images', 'x_train', 'train_images'  # where an .npz has several arrays of pictures


class Pixels(NamedTuple):
    """A picture of an array, read as a file of its own would be."""

    name: str
    values: np.ndarray  # uint8 [H, W] or [H, W, 1, 3 or 4]

    def __str__(self):
        return self.name

    def open(self, mode='rb'):
        """It as a PNG file in memory."""
        height, width, *_ = self.values.shape
        values = self.values.reshape(height, width) if self.values[0, 0].size == 1 else self.values
        file = io.BytesIO()
        Image.fromarray(values).save(file, 'png', compress_level=0)
        file.seek(0)
        return file


def pictures(path, array: np.ndarray) -> list[Pixels]:
    """The pictures of an array; raises ValueError unless it is uint8 [N, H, W] or [N, H, W, 1, 3 or 4]."""
    if not are_pictures(array.shape, array.dtype):
        raise ValueError(
            f'{array.dtype} {list(array.shape)} will not do; takes uint8 [N, H, W] or [N, H, W, 1, 3 or 4]'
        )
    return [Pixels(f'{path}[{place}]', values) for place, values in enumerate(array)]


def are_pictures(shape, dtype) -> bool:
    """Whether an array of this shape and kind is one of pictures."""
    has_colours = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))
    return dtype == np.uint8 and has_colours and 0 not in shape


def read_idx(path) -> np.ndarray:
    """The uint8 array in an IDX file, which may be gzipped.

    Raises:
        ValueError: it is none, too large, or longer or shorter than it says.
        OSError: it cannot be read.
    """
    with open(path, 'rb') as file:
        is_packed = file.read(2) == b'\x1f\x8b'
    try:
        with gzip.open(path) if is_packed else open(path, 'rb') as file:
            beginning = file.read(4)
            if beginning[:3] != OF_BYTES:
                raise ValueError('it does not begin as one')
            shape = struct.unpack(f'>{beginning[3]}I', file.read(4 * beginning[3]))
            num_bytes = math.prod(shape)
            if num_bytes > MOST_BYTES:
                raise ValueError(f'{num_bytes:,} bytes are too many; takes at most {MOST_BYTES:,}')
            content = file.read(num_bytes + 1)  # the one more would be too much
    except (EOFError, struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(content) != num_bytes:
        raise ValueError(f'it is longer or shorter than the {num_bytes:,} bytes that it states')
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_npz(path) -> np.ndarray:
    """The one array of pictures in an `.npz` file, or of several the one named as in `PREFERRED`.

    The header of each array is looked at before there is memory for it, and nothing is unpickled.

    Raises:
        ValueError: it has none, or several of other names; that array is too large.
        Exception: what zipfile and NumPy raise where it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        headers = {
            info.filename.removesuffix('.npy'): header(archive, info)
            for info in archive.infolist()
            if info.filename.endswith('.npy') and info.compress_type in METHODS
        }
    fitting = [name for name, (shape, dtype) in headers.items() if are_pictures(shape, dtype)]
    preferred = [name for name in PREFERRED if name in fitting]
    if len(fitting) != 1 and not preferred:
        listed = ', '.join(f'{name} {dtype} {list(shape)}' for name, (shape, dtype) in headers.items())
        raise ValueError(
            f'it has {"several arrays" if fitting else "no array"} of pictures ({listed:.300}); takes one of '
            f'uint8 [N, H, W] or [N, H, W, 1, 3 or 4], or of several one named {", ".join(PREFERRED)}'
        )
    name = [*preferred, *fitting][0]
    shape, _ = headers[name]
    if math.prod(shape) > MOST_BYTES:
        raise ValueError(f'{name} has {math.prod(shape):,} bytes; takes at most {MOST_BYTES:,}')
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[name]


def header(archive: zipfile.ZipFile, info: zipfile.ZipInfo):
    """(shape, dtype) of an array in an `.npz` file, which is not read further."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in reader:
            raise ValueError(f'{info.filename!r} is of version {version}; takes {list(reader)}')
        shape, _, dtype = reader[version](file)
    return shape, dtype


def idx_files(folder: Path) -> list[Path]:
    """The IDX files of pictures in a folder, by their names, in order."""
    endings = 'idx3-ubyte', 'idx3-ubyte.gz', 'idx4-ubyte', 'idx4-ubyte.gz'
    return sorted(path for path in folder.iterdir() if path.name.endswith(endings))


def labels_beside(path: Path) -> np.ndarray | None:
    """The labels of an IDX file of pictures by the names that MNIST has, if they lie there."""
    for axes in ('idx3', 'idx4'):
        beside = path.with_name(path.name.replace('images', 'labels').replace(axes, 'idx1'))
        if beside != path and beside.is_file():
            return read_idx(beside)
    return None
