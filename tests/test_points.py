"""Points in place of images: the same on every machine, drawn over their modes, sampled as they come."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import loop, regularizers, sample
from gan_jax.augment import normalize
from gan_jax.config import load_config
from gan_jax.data.domains import example_shape, open_domains
from gan_jax.data.pipeline import first_images, fits_on_device
from gan_jax.data.points import MIXTURES, modes, open_points
from gan_jax.metrics.modes import mode_coverage
from gan_jax.scatter import COLOURS, scatter
from gan_jax.writers import read_records
from helpers import ROOT, make_gan, small_config


def mixture(name, split='train'):
    return open_points(SimpleNamespace(name=name, split=split))


@pytest.mark.parametrize(('name', 'num_modes'), [('25_gaussians', 25), ('8_gaussians', 8)])
def test_a_mixture_is_what_it_says(name, num_modes):
    source = mixture(name)
    points = source.all_images()
    assert points.shape == (len(source), 2) == (100_000, 2)
    assert points.dtype == source.dtype == np.float32
    assert source.centres.shape == (num_modes, 2)
    np.testing.assert_allclose(source.centres.mean(0), 0, atol=1e-12)
    noise = (points - source.centres[np.arange(100_000) % num_modes]) / source.deviation
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(noise.T), np.eye(2), atol=0.02)
    np.testing.assert_allclose(np.mean(noise**4, 0), 3, atol=0.1)  # a normal distribution's
    coverage = mode_coverage(points, source.centres, source.deviation)
    assert coverage['modes'] == num_modes
    assert coverage['high_quality'] == pytest.approx(1 - np.exp(-4.5), abs=2e-3)  # in two dimensions
    assert coverage['reverse_kl'] == pytest.approx(0, abs=1e-6)


def test_modes_are_where_the_papers_have_them():
    grid, ring = mixture('25_gaussians').centres, mixture('8_gaussians').centres
    assert sorted(map(tuple, grid)) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 2)
    sides = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
    np.testing.assert_allclose(sides, 4 * np.sin(np.pi / 8))


def test_a_point_is_a_function_of_its_index_and_its_split():
    source = mixture('25_gaussians')
    np.testing.assert_array_equal(source.images([3, 99_999, 3]), source.all_images()[[3, 99_999, 3]])
    # Of Philox's raw numbers, which no version and no machine has others of.
    first = [[-4.0465775, -3.9777253], [-4.0318213, -2.0591795], [-4.0263486, 0.071501]]
    np.testing.assert_allclose(source.all_images()[:3], first, rtol=1e-6)
    assert (mixture('25_gaussians', 'test').all_images() != source.all_images()).all(1).mean() > 0.999


def test_points_reach_the_networks_as_they_come():
    points = jnp.asarray(mixture('8_gaussians').images(np.arange(5)))
    assert normalize(points) is points
    config = small_config('points')
    (source,) = open_domains(config.data).values()
    assert example_shape(config.data) == source.shape == (2,)
    assert first_images({'image': source}, seed=0)['image'].shape == (1000, 2)
    assert fits_on_device({'image': source}, 'auto')
    images = SimpleNamespace(**{**config.data.to_dict(), 'resolution': 8, 'channels': 3})
    assert example_shape(images) == (8, 8, 3)


def test_bfloat16_gives_points_between_its_own():
    config = small_config('points', dtype='bfloat16')
    gan = make_gan(config)
    params, model_state, _ = jax.jit(gan.init)(jax.random.key(0), {'image': jnp.zeros((1, 2))})
    inputs = gan.sample_inputs(jax.random.key(1), 100, None)
    points = gan.sample(params['generator'], model_state['generator'], inputs, 0)['generated']
    assert points.dtype == jnp.float32
    assert (points != points.astype(jnp.bfloat16).astype(jnp.float32)).mean() > 0.9


def colours_in(picture):
    return {tuple(colour) for colour in np.unique(picture.reshape(-1, 3), axis=0)}


def rgb(name):
    return tuple(bytes.fromhex(COLOURS[name][1:]))


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'num_modes'), [('gan_25_gaussians', 25), ('gan_8_gaussians', 8)])
def test_the_configs_cover_every_mode(name, num_modes, tmp_path):
    """As docs/results.md has it, over five seeds; here one."""
    loop.train(load_config(str(ROOT / f'configs/{name}.py'), {}), tmp_path, jax.local_devices()[:1])
    last = read_records(tmp_path / 'metrics.jsonl')[-1]
    assert last['modes'] == num_modes
    assert last['high_quality'] > 0.9


@pytest.mark.parametrize('name', MIXTURES)
def test_a_scatter_plot_shows_modes_and_what_went_astray(name):
    source = mixture(name)
    reals = scatter(np.repeat(source.centres, 100, axis=0), *modes(name))
    assert reals.dtype == np.uint8
    assert rgb('in a mode') in colours_in(reals)
    assert rgb('astray') not in colours_in(reals)
    nowhere = scatter(np.full((100, 2), 0.3 * source.centres.max()), *modes(name))
    assert rgb('astray') in colours_in(nowhere)
    assert rgb('modes') in colours_in(nowhere)
    # Whatever the samples are, the frame is the same.
    elsewhere = scatter(np.array([[1e9, 0], [np.nan, 0], [np.inf, 1], [0.1, 0.1]]), *modes(name))
    assert elsewhere.shape == nowhere.shape == reals.shape
    frame = lambda picture: np.all(picture[45:] == (204, 204, 204), axis=-1)  # below the title
    np.testing.assert_array_equal(frame(elsewhere), frame(nowhere))


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    loop.train(small_config('points', ema_half_life_kimg=0.1), folder, jax.local_devices()[:2])
    return folder


def test_samples_of_a_run_are_a_scatter_plot(workdir, tmp_path):
    with Image.open(workdir / 'samples' / 'step_00000008.png') as picture:
        assert picture.text == {'step': '8', 'seed': '0'}
        in_training = np.asarray(picture)
    sample.main([f'--workdir={workdir}', f'--out={tmp_path}/a.png'])
    with Image.open(tmp_path / 'a.png') as picture:
        assert np.asarray(picture).shape == in_training.shape
        said = {
            'step': '8',
            'seed': '0',
            'averaged': 'True',
            'arguments': '--checkpoint=8 --num=2500 --seed=0',
        }
        assert picture.text.items() >= said.items()


def test_samples_in_a_file_are_points_as_they_come(workdir, tmp_path):
    sample.main([f'--workdir={workdir}', f'--out={tmp_path}/a.npz'])
    many = np.load(tmp_path / 'a.npz')
    assert many['generated'].shape == (2500, 2)
    assert many['generated'].dtype == np.float32
    sample.main([f'--workdir={workdir}', f'--out={tmp_path}/walk.npz', '--interpolate=5', '--num=3'])
    assert np.load(tmp_path / 'walk.npz')['generated'].shape == (15, 2)


def test_penalties_take_norms_over_coordinates():
    slope = jnp.array([3.0, 4.0])
    real, fake = jnp.ones((7, 2)), jnp.zeros((7, 2))
    penalty = regularizers.gradient_penalty(lambda points: points @ slope, real, fake, jnp.linspace(0, 1, 7))
    np.testing.assert_allclose(penalty, (5 - 1) ** 2, rtol=1e-6)
    r1 = regularizers.zero_centered(jnp.broadcast_to(slope, (7, 2)))
    np.testing.assert_allclose(r1, 25 / 2, rtol=1e-6)
