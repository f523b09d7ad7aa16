"""Promises of pictures: exact grids, whole files, curves of every metric that there is."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import pictures


def test_to_uint8_endpoints():
    images = np.array([-7, -1, -1 + 0.9 / 255, -1 + 1.1 / 255, 0, 1, 7, np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(pictures.to_uint8(images), [0, 0, 0, 1, 128, 255, 255, 0, 255])
    assert pictures.to_uint8(images).dtype == np.uint8


def constant_images(values, height=1, width=1, channels=1):
    return (
        np.broadcast_to(np.reshape(values, (-1, 1, 1, 1)), (len(values), height, width, channels)) / 127.5 - 1
    )


def test_grid_of_one_column_has_exact_pixels():
    grid = pictures.image_grid({'fake': constant_images([10, 20, 30, 40, 50])}, border=1, at_least=3)
    expected = [
        [255, 255, 255, 255, 255, 255, 255],
        [255, 10, 255, 20, 255, 30, 255],
        [255, 255, 255, 255, 255, 255, 255],
        [255, 40, 255, 50, 255, 255, 255],
        [255, 255, 255, 255, 255, 255, 255],
    ]
    np.testing.assert_array_equal(grid[..., 0], expected)


def test_grid_of_several_columns_keeps_examples_together():
    columns = {'real': constant_images([1, 2, 3, 4]), 'fake': constant_images([5, 6, 7, 8], channels=3)}
    grid = pictures.image_grid(columns, num_columns=2, border=1, at_least=1)
    assert grid.shape == (5, 12, 3)  # as one of the columns is in colour
    np.testing.assert_array_equal(grid[1, :, 0], [255, 1, 255, 5, 255, 255, 255, 255, 2, 255, 6, 255])
    np.testing.assert_array_equal(grid[3, :, 2], [255, 3, 255, 7, 255, 255, 255, 255, 4, 255, 8, 255])


def test_grid_enlarges_by_whole_numbers():
    images = np.random.default_rng(0).uniform(-1, 1, (64, 28, 28, 1))
    grid = pictures.image_grid({'fake': images}, border=2)
    assert grid.shape == (8 * (84 + 2) + 2,) * 2 + (1,)
    for offset in (2, 4):  # the first and the last pixel of each block of 3 x 3
        pixels = grid[offset : offset + 84 : 3, offset : offset + 84 : 3]
        np.testing.assert_array_equal(pixels, pictures.to_uint8(images[0]))


@pytest.mark.parametrize(
    ('n', 'columns', 'layout'),
    [(1, 1, (1, 1)), (5, 1, (2, 3)), (16, 1, (4, 4)), (8, 3, (4, 6)), (16, 3, (8, 6)), (2, 3, (2, 3))],
)
def test_grid_is_near_square(n, columns, layout):
    images = {str(i): np.zeros((n, 4, 4, 3)) for i in range(columns)}
    height, width, _ = pictures.image_grid(images, border=0, at_least=4).shape
    assert (height // 4, width // 4) == layout


@pytest.mark.parametrize('channels', [1, 3])
def test_png_keeps_pixels_and_says_its_source(tmp_path, channels):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    path = tmp_path / 'samples' / 'step.png'
    pictures.save_png(path, np.zeros((2, 2, 1), np.uint8))
    pictures.save_png(path, picture, {'step': '1000', 'config': '{"name": "Köln · 東京"}'})
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)
        assert image.text == {'step': '1000', 'config': '{"name": "Köln · 東京"}'}
    assert [path.name for path in path.parent.iterdir()] == ['step.png']


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a'
    pictures.write_atomically(path, b'old')

    def fail(descriptor):
        raise OSError('No space left on device')

    monkeypatch.setattr(pictures.os, 'fsync', fail)
    with pytest.raises(OSError, match='No space'):
        pictures.write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


NAMES = (
    *('discriminator_loss', 'generator_loss', 'real_probability', 'fake_probability', 'images_per_second'),
    *('discriminator_gradient_norm', 'generator_gradient_norm'),
)


@pytest.mark.parametrize(('n', 'names'), [(0, ()), (1, NAMES), (5, NAMES), (5000, NAMES), (9, NAMES[:1])])
def test_curves_are_drawn(tmp_path, n, names):
    values = np.random.default_rng(0).uniform(size=(n, len(names))).tolist()
    records = [{'step': i, 'kimg': i / 9, **dict(zip(names, values[i], strict=True))} for i in range(n)]
    for record in records[3:4]:
        record.update(dict.fromkeys(names))  # None, as read back from null
    pictures.curves_png(tmp_path / 'curves.png', records)
    with Image.open(tmp_path / 'curves.png') as image:
        colours = {colour for _, colour in image.convert('RGB').getcolors(1 << 20)}
    labels = {label for *_, metrics in pictures.PANELS for name, label in metrics.items() if name in names}
    for label, colour in pictures.COLOURS.items():
        if label != 'all devices':  # the text has that grey
            assert (tuple(bytes.fromhex(colour[1:])) in colours) == (label in labels)
