"""Arrays out of a file that PyTorch has saved, without PyTorch and without running what the file says.

Such a file is a pickle, a program for Python's unpickler. This one knows tensors, lists and dicts and nothing
else.
"""

import collections
import math
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MOST_BYTES = 2**30  # of a file
MAGIC = 0x1950A86A20F9469CFC6C  # with which files from before PyTorch 1.6 begin
TYPES = {
    'FloatStorage': '<f4',
    'DoubleStorage': '<f8',
    'HalfStorage': '<f2',
    'LongStorage': '<i8',
    'IntStorage': '<i4',
    'ShortStorage': '<i2',
    'CharStorage': '<i1',
    'ByteStorage': '<u1',
    'BoolStorage': '?',
}
# What a module of TorchScript has its lists and dicts made by.
LISTS = ('build_intlist', 'build_doublelist', 'build_boollist', 'build_tensorlist', 'restore_type_tag')


class Storage(NamedTuple):
    """Numbers that tensors are views of: their type, their name in the file, how many."""

    dtype: np.dtype
    key: str
    count: int


class Tensor(NamedTuple):
    """A view of a storage, in numbers of it."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class Module:
    """Whatever TorchScript makes an object of: its fields."""

    def __setstate__(self, state):
        self.fields = state


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a state dict or a TorchScript module, by their dotted names.

    Raises:
        ValueError: it is larger than a GiB, damaged, or holds what is neither a tensor nor a dict of some.
        OSError: it cannot be read.
    """
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise ValueError(f'{size:,} bytes are too many; takes at most {MOST_BYTES:,}')
    try:
        content, numbers = _from_archive(path) if zipfile.is_zipfile(path) else _from_old_file(path)
        tensors = _flat(content)
        total = sum(math.prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in tensors.values())
        if total > MOST_BYTES:  # as many tensors may be views of one storage
            raise ValueError(f'{total:,} bytes of tensors are too many; takes at most {MOST_BYTES:,}')
        return {name: _array(tensor, numbers) for name, tensor in tensors.items()}
    except (OSError, ValueError):
        raise
    except Exception as error:  # what a pickle may raise is open
        raise ValueError(f'{type(error).__name__}: {error}') from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ('collections', 'OrderedDict'):
            return collections.OrderedDict
        if module == 'torch._utils' and name == '_rebuild_tensor_v2':
            return lambda storage, offset, shape, strides, *rest: Tensor(storage, offset, shape, strides)
        if module == 'torch._utils' and name == '_rebuild_parameter':
            return lambda tensor, *rest: tensor
        if module == 'torch' and name in TYPES:
            return np.dtype(TYPES[name])
        if module == 'torch.jit._pickle' and name in LISTS:
            return lambda values, *type_name: values
        if module == '__torch__' or module.startswith('__torch__.'):
            return Module
        raise ValueError(f'it asks for {module}.{name}, which is no tensor')

    def persistent_load(self, pid):
        kind, dtype, key, _, count, *_ = pid
        if kind != 'storage' or not isinstance(dtype, np.dtype) or not isinstance(count, int) or count < 0:
            raise ValueError(f'it asks for a {kind!r:.99}, which is no tensor')
        return Storage(dtype, str(key), count)


def _from_archive(path):
    """Of PyTorch 1.6 and later: a zip with a pickle and a member for each storage, none of them packed."""
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in infos if name.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise ValueError('it is a zip archive, but none of PyTorch')
        folder = pickles[0].removesuffix('data.pkl')
        storages = [name for name in infos if name.startswith(f'{folder}data/')]
        if any(infos[name].compress_type != zipfile.ZIP_STORED for name in [*pickles, *storages]):
            raise ValueError('what is read of it is packed, as PyTorch never packs it')
        if sum(infos[name].file_size for name in storages) > MOST_BYTES:  # they may lie on top of each other
            raise ValueError(f'its storages have more than {MOST_BYTES:,} bytes')
        with archive.open(pickles[0]) as file:
            content = _Unpickler(file).load()
        numbers = {name.removeprefix(f'{folder}data/'): archive.read(name) for name in storages}
    return content, numbers


def _from_old_file(path):
    """From before: pickles, of which the fourth is the content, then each storage's count and numbers."""
    with open(path, 'rb') as file:
        if _Unpickler(file).load() != MAGIC:
            raise ValueError('it is no file of PyTorch')
        storages: dict[str, Storage] = {}

        class Unpickler(_Unpickler):
            def persistent_load(self, pid):
                storage = super().persistent_load(pid)
                return storages.setdefault(storage.key, storage)

        for _ in range(2):
            _Unpickler(file).load()  # the format's version, and how wide the writer's numbers are
        content, keys = Unpickler(file).load(), _Unpickler(file).load()
        numbers = {}
        for key in keys:
            storage = storages[key]
            (count,) = struct.unpack('<q', file.read(8))
            if count != storage.count:
                raise ValueError(f'it holds {count} instead of {storage.count} numbers of a tensor')
            numbers[key] = file.read(min(count * storage.dtype.itemsize, MOST_BYTES))
    return content, numbers


def _flat(content) -> dict[str, Tensor]:
    """The tensors of a tree of dicts and modules, by dotted names; what else lies there is left out."""
    flat, coming, seen = {}, [('', content)], set()
    while coming:
        prefix, node = coming.pop()
        if isinstance(node, Tensor):
            flat[prefix.removesuffix('.')] = node
            continue
        tree = node.fields if isinstance(node, Module) else node
        if isinstance(tree, dict) and id(tree) not in seen:  # a pickle may hold itself
            seen.add(id(tree))
            coming += [(f'{prefix}{name}.', value) for name, value in tree.items()]
    if not flat:
        raise ValueError('it holds no tensors by their names')
    return flat


def _array(tensor: Tensor, numbers: dict[str, Any]) -> np.ndarray:
    """A tensor as an array of its own; every number of it has to lie in its storage."""
    storage, offset, shape, strides = tensor
    whole = [offset, *shape, *strides]
    if len(shape) != len(strides) or not all(isinstance(x, int) and x >= 0 for x in whole):
        raise ValueError(f'it holds a tensor of shape {shape!r:.99}')
    data = np.frombuffer(numbers[storage.key], storage.dtype)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if math.prod(shape) > len(data) or (math.prod(shape) and last >= len(data)):
        raise ValueError(f'it holds a tensor of shape {shape!r:.99} in {len(data)} numbers')
    strides = [stride * storage.dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(data[offset:], shape, strides).copy()
