"""A feature network's weights out of a person's file, each array held against what the network asks for."""

import hashlib
import os
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics.torch_file import MOST_BYTES, read_tensors

# What PyTorch calls the leaves of Flax's modules, and where its axes are, by how many there are.
NAMES = {'kernel': 'weight', 'scale': 'weight', 'bias': 'bias', 'mean': 'running_mean', 'var': 'running_var'}
AXES = {4: (2, 3, 1, 0), 2: (1, 0)}


def file_sha256(path: Path) -> str:
    """The hash of a file: 64 hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of PyTorch's or of NumPy's (.npz), by their names.

    Raises:
        ValueError: it is too large, damaged, or holds anything but arrays.
        OSError: it cannot be read.
    """
    if path.suffix != '.npz':
        return read_tensors(path)
    try:
        with zipfile.ZipFile(path) as archive:
            total = max(os.path.getsize(path), sum(info.file_size for info in archive.infolist()))
            if total > MOST_BYTES:
                raise ValueError(f'{total:,} bytes are too many; takes at most {MOST_BYTES:,}')
        with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error


def filled(module, arrays: dict[str, np.ndarray], channels: int = 3, rename=lambda name: name):
    """A module's variables, from arrays by the names that PyTorch would give them.

    Args:
        module: of Flax, for pictures [N, H, W, channels]; its submodules have the names of PyTorch's.
        arrays: by name; what the module does not ask for is left out.
        rename: the file's name for a name of PyTorch's.

    Raises:
        ValueError: one is missing or has another shape; says which is the first.
    """
    pictures = jax.ShapeDtypeStruct((1, 32, 32, channels), jnp.float32)
    like = jax.eval_shape(module.init, jax.random.key(0), pictures)

    def fill(path, leaf):
        *modules, kind = [key.key for key in path[1:]]
        name = rename('.'.join([*modules, NAMES[kind]]))
        if name not in arrays:
            if kind == 'scale':  # of a batch norm without one
                return jnp.ones(leaf.shape, leaf.dtype)
            raise ValueError(f'{name} is missing')
        order = AXES.get(len(leaf.shape), range(len(leaf.shape)))
        array = arrays[name]
        if array.ndim != len(leaf.shape) or array.transpose(order).shape != leaf.shape:
            expected = tuple(leaf.shape[order.index(axis)] for axis in range(len(leaf.shape)))
            raise ValueError(f'{name} is {list(array.shape)}, not {list(expected)}')
        return jnp.asarray(array.transpose(order), leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, like)


def named_arrays(variables) -> dict[str, np.ndarray]:
    """What `filled` fills a module with: the arrays of its variables, named and laid out as PyTorch's."""
    arrays = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        *modules, kind = [key.key for key in path[1:]]
        order = AXES.get(leaf.ndim, tuple(range(leaf.ndim)))
        arrays['.'.join([*modules, NAMES[kind]])] = np.asarray(leaf).transpose(np.argsort(order))
    return arrays
