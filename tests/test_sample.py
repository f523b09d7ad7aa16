"""Pictures from a workdir: exact in number, the same for the same seed, averaged weights by default."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import loop, sample
from helpers import small_config


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    loop.train(small_config('dcgan', ema_half_life_kimg=0.1), folder)
    return folder


def draw(workdir, tmp_path, *arguments, name='a.npz'):
    sample.main([f'--workdir={workdir}', f'--out={tmp_path / name}', *arguments])
    if name.endswith('npz'):
        return np.load(tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        picture.load()
    return picture


def test_as_many_as_asked_and_the_same_for_the_same_seed(workdir, tmp_path):
    many = draw(workdir, tmp_path, '--num=70')
    assert many['generated'].shape == (70, 16, 16, 1)
    assert many['generated'].dtype == np.uint8
    assert many['inputs'].shape == (70, 8)
    few = draw(workdir, tmp_path, '--num=3')
    np.testing.assert_array_equal(few['generated'], many['generated'][:3])
    other = draw(workdir, tmp_path, '--num=3', '--seed=1')
    assert np.any(other['inputs'] != few['inputs'])


def test_averaged_weights_unless_told_otherwise(workdir, tmp_path):
    averaged = draw(workdir, tmp_path, '--num=4')['generated']
    assert np.any(averaged != draw(workdir, tmp_path, '--num=4', '--no_ema')['generated'])
    assert np.any(averaged != draw(workdir, tmp_path, '--num=4', '--checkpoint=4')['generated'])


def test_a_row_of_an_interpolation_keeps_to_the_sphere(workdir, tmp_path):
    z = draw(workdir, tmp_path, '--interpolate=5', '--num=2')['inputs'].reshape(2, 5, 8)
    ends = draw(workdir, tmp_path, '--num=4')['inputs']
    np.testing.assert_allclose(z[:, 0], ends[:2], rtol=1e-5)
    np.testing.assert_allclose(z[:, -1], ends[2:], rtol=1e-4, atol=1e-6)
    # A straight line's middle would lie inside the sphere.
    straight = np.linalg.norm((z[:, 0] + z[:, -1]) / 2, axis=1)
    assert np.all(np.linalg.norm(z[:, 2], axis=1) > 1.05 * straight)


def test_the_picture_is_a_grid_that_says_how_it_was_made(workdir, tmp_path):
    picture = draw(workdir, tmp_path, '--interpolate=5', '--num=2', name='a.png')
    assert picture.width > 2 * picture.height
    assert picture.info['step'] == '8'
    assert picture.info['averaged'] == 'True'
    assert picture.info['seed'] == '0'
