"""The data keep their promises: what is embedded, the order, the feed; mistakes are in test_bad_data.py."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.base import UserError
from gan_jax.data.pipeline import feed, first_images, fits_on_device, order
from gan_jax.data.source import EMBEDDED, open_images
from tiny_data import prepare

FULL_SET = Path(os.environ.get('FASHION_MNIST_DIR', '/usr/share/datasets/fashion-mnist'))
# Of the pixels, taken straight from the IDX files
TRAIN_SHA256 = 'e1427044c614fabc29feeff0f27e6b68f88a9ee2f2cfe7d783b9157159864883'
TEST_SHA256 = '3d7f6d64869a3f2d1afe64ae33ffb9b20670a91b31e3bbf0657e3999ec7b35cf'


def config(**changes):
    fields = {'name': 'fashion_mnist_10k', 'data_dir': '', 'split': 'train'}
    return SimpleNamespace(**(fields | {'resolution': 28, 'channels': 1, 'fit': 'crop'} | changes))


@pytest.fixture(scope='module')
def train():
    return open_images(config())


@pytest.fixture(scope='module')
def train_pixels(train):
    return train.all_images()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# The embedded set


def test_embedded_pixels(train, train_pixels):
    test = open_images(config(split='test')).all_images()
    assert len(train) == 10_000
    assert train_pixels.shape == (10_000, 28, 28, 1)
    assert test.shape == (1_000, 28, 28, 1)
    assert train_pixels.dtype == test.dtype == np.uint8
    assert sha256(train_pixels.tobytes()) == TRAIN_SHA256
    assert sha256(test.tobytes()) == TEST_SHA256
    np.testing.assert_array_equal(train.images([9_999, 3]), train_pixels[[9_999, 3]])


def test_embedded_classes():
    builder = tfds.builder_from_directory(EMBEDDED / 'fashion_mnist_10k' / '1.0.0')
    skip = {'image': tfds.decode.SkipDecoding()}
    for split, per_class in (('train', 1000), ('test', 100)):
        source = builder.as_data_source(split, decoders=skip)
        labels = [example['label'] for example in source.__getitems__(list(range(len(source))))]
        np.testing.assert_array_equal(np.bincount(labels), [per_class] * 10)


def test_embedded_has_its_licence():
    text = (EMBEDDED / 'fashion_mnist_10k' / 'LICENSE').read_text()
    assert 'MIT' in text
    assert 'Copyright (c) 2017 Zalando SE' in text


def test_embedded_is_rebuilt_byte_for_byte(tmp_path):
    if not (FULL_SET / 'train-images-idx3-ubyte.gz').exists():
        pytest.skip(f'the full Fashion-MNIST is not in {FULL_SET} (set FASHION_MNIST_DIR)')
    from gan_jax.data.make_fashion_mnist_10k import make

    rebuilt = make(FULL_SET, tmp_path)
    kept = EMBEDDED / 'fashion_mnist_10k' / '1.0.0'
    assert {p.name: sha256(p.read_bytes()) for p in rebuilt.iterdir()} == {
        p.name: sha256(p.read_bytes()) for p in kept.iterdir()
    }
    with pytest.raises(UserError, match=r'^--out: .* is there already'):
        make(FULL_SET, tmp_path)


def test_maker_names_what_is_missing(tmp_path):
    from gan_jax.data.make_fashion_mnist_10k import make

    with pytest.raises(UserError, match=r'^--source: .*train-images-idx3-ubyte.gz'):
        make(tmp_path, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_tensorflow_is_not_imported_and_nothing_is_printed(tmp_path):
    (tmp_path / 'tensorflow').mkdir()
    (tmp_path / 'tensorflow' / '__init__.py').write_text('raise AssertionError("imported")')
    code = (
        'from types import SimpleNamespace as S; from gan_jax.data.source import open_images as o\n'
        'd = S(name="fashion_mnist_10k", data_dir="", split="train", resolution=28, channels=1, fit="crop")\n'
        'assert o(d).images(range(300)).shape == (300, 28, 28, 1)\n'
        'import sys; assert "tensorflow" not in sys.modules'
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code],
        env=os.environ | {'PYTHONPATH': path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


# Opening


def test_slices_and_versions(tmp_path):
    assert len(open_images(config(split='train[:10%]'))) == 1_000
    assert len(open_images(config(name='fashion_mnist_10k:1.0.0', split='train+test'))) == 11_000
    for version in ('1.9.0', '1.10.0'):
        prepare(tmp_path, [np.full((8, 8, 1), int(version[2:-2]), np.uint8)], version=version)
    asked = config(name='tiny', data_dir=str(tmp_path), resolution=8)
    assert open_images(asked).images([0]).max() == 10
    asked.name = 'tiny:1.9.0'
    assert open_images(asked).images([0]).max() == 9


def test_folder_of_tfds(tmp_path, monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    prepare(tmp_path, [np.zeros((8, 8, 1), np.uint8)])
    assert len(open_images(config(name='tiny', resolution=8))) == 1


def test_configurations(tmp_path):
    folder = tmp_path / 'pair' / 'a2b' / '1.0.0'
    shutil.move(prepare(tmp_path, [np.zeros((8, 8, 1), np.uint8)]), folder)
    info = json.loads((folder / 'dataset_info.json').read_text()) | {'configName': 'a2b'}
    (folder / 'dataset_info.json').write_text(json.dumps(info))
    assert len(open_images(config(name='pair/a2b', data_dir=str(tmp_path), resolution=8))) == 1


def test_crop(tmp_path):
    picture = np.zeros((10, 16, 3), np.uint8)
    picture[:, 3:13] = np.arange(300).reshape(10, 10, 3) % 256
    prepare(tmp_path, [picture, np.full((31, 20, 3), 200, np.uint8)])
    asked = config(name='tiny', data_dir=str(tmp_path), resolution=10, channels=3)
    images = open_images(asked).all_images()
    assert images.shape == (2, 10, 10, 3)
    np.testing.assert_array_equal(images[0], picture[:, 3:13])
    np.testing.assert_array_equal(images[1], np.full((10, 10, 3), 200))
    asked.resolution = 5
    expected = Image.fromarray(picture[:, 3:13]).resize((5, 5), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(open_images(asked).images([0])[0], np.asarray(expected))


def test_pad(train_pixels):
    images = open_images(config(resolution=32, fit='pad')).images(range(20))
    np.testing.assert_array_equal(images, np.pad(train_pixels[:20], ((0, 0), (2, 2), (2, 2), (0, 0))))


# Order


def test_order_is_the_same_on_every_machine():
    """A run that goes on under another NumPy must see the examples that it would have seen under this one."""
    assert order(10, 3, 8, 14).tolist() == [3, 0, 9, 7, 8, 3]
    assert order(10, 3, 8, 14).dtype == np.int64


def test_order_is_a_pure_function_of_the_position():
    whole = order(1000, 1, 0, 3000)
    pieces = [order(1000, 1, start, min(start + 700, 3000)) for start in range(0, 3000, 700)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert order(1000, 1, 5, 5).shape == (0,)


def test_order_is_reshuffled_every_epoch_and_differs_by_seed():
    epochs = [*order(1000, 0, 0, 3000).reshape(3, -1), *order(1000, 1, 0, 3000).reshape(3, -1)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(1000))
    for one, other in itertools.combinations(epochs, 2):
        assert (one == other).mean() < 0.05


# Feed

DISPATCHES = [(0, 3, 8), (24, 1, 8), (32, 2, 16), (64, 3, 8)]


def batches(images, num_devices, resident):
    """Global batches of all steps, one after the other."""
    fed = feed({'image': images}, DISPATCHES, seed=4, num_devices=num_devices, resident=resident)
    fed = [item['image'] for item in fed]
    for array, (_, num_steps, size) in zip(fed, DISPATCHES, strict=True):
        assert array.shape[:3] == (num_devices, num_steps, size // num_devices)
    by_step = [array.swapaxes(0, 1) for array in fed]
    return [step.reshape(-1, *step.shape[2:]) for array in by_step for step in array]


def test_feed_is_the_order_whatever_the_number_of_devices(train, train_pixels):
    expected = order(10_000, 4, 0, 88)
    for num_devices in (1, 2, 8):
        indices = np.concatenate(batches(train, num_devices, resident=True))
        assert indices.dtype == np.int32
        np.testing.assert_array_equal(indices, expected)
        pictures = np.concatenate(batches(train, num_devices, resident=False))
        assert pictures.dtype == np.uint8
        np.testing.assert_array_equal(pictures, train_pixels[expected])


def test_each_domain_is_walked_to_its_own_end_in_its_own_order():
    domains = {'a': Slow(), 'b': Slow(size=4), 'c': Slow()}
    (item,) = feed(domains, [(0, 2, 10)], seed=3, num_devices=1, resident=True)
    a, b, c = (item[domain].reshape(-1) for domain in 'abc')
    for epoch in (a[:10], a[10:], c[:10], c[10:]):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(10))
    for start in range(0, 20, 4):
        np.testing.assert_array_equal(np.sort(b[start : start + 4]), np.arange(4))
    assert (a != c).any()


def test_the_first_images_are_few_where_they_are_large(train):
    large = open_images(config(resolution=512))
    first = first_images({'a': train, 'b': large}, seed=1)
    np.testing.assert_array_equal(first['a'], train.images(order(10_000, 1, 0, 1000)))
    assert first['b'].shape == (32, 512, 512, 1)


def feed_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith('feed')]


def they_end():
    """Soon, though nobody waits for them."""
    until = time.monotonic() + 10
    while feed_threads() and time.monotonic() < until:
        time.sleep(0.01)
    return not feed_threads()


class Slow:
    """Ten examples or `size`; remembers how often it was read, and breaks where it is told to."""

    def __init__(self, breaks_at=None, size=10):
        self.reads, self.breaks_at, self.size = 0, breaks_at, size

    def __len__(self):
        return self.size

    def images(self, indices):
        self.reads += 1
        if self.reads == self.breaks_at:
            raise UserError('broken')
        return np.zeros((len(indices), 4, 4, 1), np.uint8)


def test_feed_stays_two_ahead_and_closes():
    slow = Slow()
    endless = ((4 * i, 1, 4) for i in itertools.count())
    stream = feed({'image': slow}, endless, seed=0, num_devices=1, resident=False)
    assert slow.reads == 0
    next(stream)
    for _ in range(100):
        time.sleep(0.01)
        if slow.reads == 3:
            break
    time.sleep(0.05)
    assert slow.reads == 3
    assert feed_threads()
    stream.close()
    assert they_end()


def test_feed_passes_errors_on():
    breaking, three = {'image': Slow(breaks_at=2)}, [(0, 1, 4), (4, 1, 4), (8, 1, 4)]
    stream = feed(breaking, three, seed=0, num_devices=2, resident=False)
    assert next(stream)['image'].shape == (2, 1, 2, 4, 4, 1)
    with pytest.raises(UserError, match='broken'):
        next(stream)
    assert they_end()
    assert list(feed({'image': Slow()}, [], seed=0, num_devices=1, resident=True)) == []


def test_fits_on_device(train):
    assert fits_on_device({'image': train}, 'auto')
    assert fits_on_device({'image': train}, 'device')
    assert not fits_on_device({'image': train}, 'host')
    large = dict.fromkeys('ab', open_images(config(resolution=350)))
    assert fits_on_device({'a': large['a']}, 'auto')
    assert not fits_on_device(large, 'auto')
    with pytest.raises(UserError, match=r"^--config.data.placement: got 'gpu'"):
        fits_on_device({'image': train}, 'gpu')
