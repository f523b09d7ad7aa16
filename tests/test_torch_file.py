"""Files of PyTorch's are read without PyTorch, and nothing that they say is done."""

import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest

from gan_jax.metrics import torch_file
from gan_jax.metrics.torch_file import MAGIC, read_tensors

WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
COUNT = np.array(7, np.int64)


@pytest.fixture
def torch(monkeypatch):
    """What a file of PyTorch's has the names of: functions and classes that are there to be pickled."""
    utils, top = types.ModuleType('torch._utils'), types.ModuleType('torch')
    for module, names in ((utils, ['_rebuild_tensor_v2', '_rebuild_parameter']), (top, ['FloatStorage'])):
        for name in names:
            one = type(name, (), {'__module__': module.__name__})
            setattr(module, name, one)
    top.LongStorage = type('LongStorage', (), {'__module__': 'torch'})
    monkeypatch.setitem(sys.modules, 'torch', top)
    monkeypatch.setitem(sys.modules, 'torch._utils', utils)
    return types.SimpleNamespace(top=top, utils=utils)


class Made:
    """Pickled as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Stored(tuple):
    """Pickled as a storage: what is persistent stays outside of the pickle."""


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return tuple(obj) if isinstance(obj, Stored) else None


def pickled(content):
    file = io.BytesIO()
    Pickler(file, protocol=2).dump(content)
    return file.getvalue()


def tensor(torch, kind, key, count, shape, strides, offset=0):
    storage = Stored(('storage', getattr(torch.top, kind), key, 'cpu', count))
    rest = (False, collections.OrderedDict())
    return Made(torch.utils._rebuild_tensor_v2, storage, offset, shape, strides, *rest)


def state_dict(torch):
    """A parameter stored with its axes permuted, a view with an offset, and a number."""
    weight = tensor(torch, 'FloatStorage', '0', 24, (4, 2, 3), (1, 12, 4))
    return collections.OrderedDict(
        {
            'conv.weight': Made(torch.utils._rebuild_parameter, weight, True, collections.OrderedDict()),
            'conv.row': tensor(torch, 'FloatStorage', '0', 24, (4,), (1,), offset=4),
            'bn.num_batches_tracked': tensor(torch, 'LongStorage', '1', 1, (), ()),
        }
    )


def write_archive(path, content, storages, compression=zipfile.ZIP_STORED):
    """As PyTorch has written since 1.6."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr('weights/data.pkl', pickled(content))
        for key, numbers in storages.items():
            archive.writestr(f'weights/data/{key}', numbers)
    return path


def write_old(path, content, storages):
    """As PyTorch wrote before."""
    head = [MAGIC, 1001, {'little_endian': True}]
    parts = [*map(pickle.dumps, head), pickled(content), pickle.dumps(list(storages))]
    for numbers, size in zip(storages.values(), (4, 8), strict=False):
        parts += [struct.pack('<q', len(numbers) // size), numbers]
    path.write_bytes(b''.join(parts))
    return path


STORAGES = {'0': WEIGHT.tobytes(), '1': COUNT.tobytes()}


@pytest.mark.parametrize('write', [write_archive, write_old])
def test_tensors_come_out_by_their_names(torch, tmp_path, write):
    content = state_dict(torch)
    if write is write_old:  # which says more of a storage
        for entry in ('conv.row', 'bn.num_batches_tracked'):
            function, (storage, *rest) = content[entry].call
            content[entry] = Made(function, Stored((*storage, None)), *rest)
    found = read_tensors(write(tmp_path / 'weights.pth', content, STORAGES))
    assert set(found) == {'conv.weight', 'conv.row', 'bn.num_batches_tracked'}
    np.testing.assert_array_equal(found['conv.weight'], WEIGHT.transpose(2, 0, 1))
    np.testing.assert_array_equal(found['conv.row'], WEIGHT.reshape(-1)[4:8])
    assert found['bn.num_batches_tracked'] == 7


def test_modules_of_torchscript_are_their_fields(torch, tmp_path, monkeypatch):
    module = types.ModuleType('__torch__')
    module.Net = type('Net', (), {'__module__': '__torch__'})
    monkeypatch.setitem(sys.modules, '__torch__', module)
    net, layer = module.Net(), module.Net()
    layer.weight = tensor(torch, 'FloatStorage', '0', 24, (24,), (1,))
    lists = types.ModuleType('torch.jit._pickle')
    lists.build_intlist = type('build_intlist', (), {'__module__': lists.__name__})
    monkeypatch.setitem(sys.modules, 'torch.jit._pickle', lists)
    layer.padding = Made(lists.build_intlist, [0, 1])
    net.layers, net.training, net.itself = layer, False, net  # a pickle may hold itself
    found = read_tensors(write_archive(tmp_path / 'net.pt', net, STORAGES))
    assert list(found) == ['layers.weight']


@pytest.mark.parametrize('write', [write_archive, write_old])
@pytest.mark.parametrize('function', [os.system, eval, getattr, np.fromfile])
def test_nothing_else_is_called(torch, tmp_path, write, function):
    proof = tmp_path / 'proof'
    bomb = {'weight': Made(function, f'touch {proof}')}
    with pytest.raises(ValueError, match='which is no tensor'):
        read_tensors(write(tmp_path / 'weights.pth', bomb, {}))
    assert not proof.exists()


@pytest.mark.parametrize(
    ('shape', 'strides', 'offset'),
    [
        ((25,), (1,), 0),
        ((5, 5), (5, 1), 0),
        ((3,), (12,), 0),
        ((4,), (1,), 21),
        ((2,), (-1,), 3),
        ((-2,), (1,), 0),
        ((10**6,), (0,), 0),
        ((2,), (1, 1), 0),
        ((1.5,), (1,), 0),
    ],
)
def test_a_tensor_outside_of_its_storage_is_turned_down(torch, tmp_path, shape, strides, offset):
    content = {'weight': tensor(torch, 'FloatStorage', '0', 24, shape, strides, offset)}
    with pytest.raises(ValueError, match='tensor of shape'):
        read_tensors(write_archive(tmp_path / 'weights.pth', content, STORAGES))


def test_many_views_of_one_storage_are_counted(torch, tmp_path, monkeypatch):
    monkeypatch.setattr(torch_file, 'MOST_BYTES', 20_000)
    content = {str(n): tensor(torch, 'FloatStorage', '0', 24, (24,), (1,)) for n in range(300)}
    with pytest.raises(ValueError, match='28,800 bytes of tensors are too many'):
        read_tensors(write_archive(tmp_path / 'weights.pth', content, STORAGES))


def test_packed_members_are_turned_down(torch, tmp_path):
    """They could unpack to any size."""
    path = write_archive(tmp_path / 'weights.pth', state_dict(torch), STORAGES, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match='packed'):
        read_tensors(path)


@pytest.mark.parametrize(
    'content', [b'', b'no pickle', pickle.dumps(3), pickle.dumps({'a': 1}), b'\x80\x02.']
)
def test_what_is_no_file_of_pytorch(tmp_path, content):
    path = tmp_path / 'weights.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'.'):
        read_tensors(path)


@pytest.mark.parametrize('write', [write_archive, write_old])
def test_a_file_that_is_cut_off(torch, tmp_path, write):
    path = write(
        tmp_path / 'weights.pth', {'w': tensor(torch, 'FloatStorage', '0', 24, (24,), (1,))}, STORAGES
    )
    whole = path.read_bytes()
    for size in range(0, len(whole) - (16 if write is write_old else 0), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r'.'):
            read_tensors(path)
