"""Pictures from a workdir: exact in number, the same for the same seed, averaged weights by default."""

import imageio_ffmpeg
import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from commands import make_run
from gan_jax import latents, loop, nearest, sample, video
from gan_jax.base import UserError
from gan_jax.data.domains import open_domains
from gan_jax.pictures import save_png
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
    assert len(picture.info['state_sha256']) == 64


def test_a_grid_lies_between_four_corners(workdir, tmp_path):
    z = draw(workdir, tmp_path, '--grid=5')['inputs'].reshape(5, 5, 8)
    corners = draw(workdir, tmp_path, '--num=4')['inputs']
    np.testing.assert_allclose(z[[0, 0, -1, -1], [0, -1, 0, -1]], corners, rtol=1e-4, atol=1e-5)
    for side in (z, z.swapaxes(0, 1)):  # both ways over the sphere
        for row in (0, -1):
            arc = latents.spherical_interpolation(side[row, 0], side[row, -1], np.linspace(0, 1, 5))
            np.testing.assert_allclose(side[row], arc, rtol=1e-4, atol=1e-5)


def test_truncation_draws_z_nearer_to_its_mean(workdir, tmp_path):
    whole, half = (draw(workdir, tmp_path, '--num=4', *more)['inputs'] for more in ([], ['--truncation=0.5']))
    np.testing.assert_allclose(half, whole / 2, rtol=1e-6)
    mean = draw(workdir, tmp_path, '--num=4', '--truncation=0')['generated']
    assert (mean == mean[0]).all()


def test_truncation_is_refused_where_it_would_change_nothing(tmp_path):
    make_run(tmp_path / 'run', 'progan')
    with pytest.raises(UserError, match='as the length of z makes no difference'):
        draw(tmp_path / 'run', tmp_path, '--truncation=0.5')


@pytest.mark.parametrize('frames', [2, 7, 60])
@pytest.mark.parametrize('dim', [1, 2, 100])
def test_a_loop_is_smooth_and_closes(dim, frames):
    ends = latents.normal(jax.random.split(jax.random.key(dim), 6), dim)
    circle = np.asarray(latents.circles(ends, frames))
    assert circle.shape == (frames, 3, dim)
    np.testing.assert_allclose(circle[0], ends[:3], rtol=1e-5, atol=1e-6)
    steps = np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=-1)  # the last to the first included
    lengths = np.linalg.norm(circle, axis=-1)
    of_ends = np.linalg.norm(ends, axis=-1)
    assert steps.max() <= 1.01 * of_ends.max() * 2 * np.pi / frames
    assert lengths.max() <= 1.01 * of_ends.max()
    if dim > 1:
        assert lengths.min() >= 0.99 * of_ends.min()
    if dim == 100:
        assert steps.min() > 0.8 * steps.max()
    if frames == 60:
        half, quarter = circle[30], circle[15]
        np.testing.assert_allclose(half, -ends[:3], rtol=1e-4, atol=1e-5)
        if dim > 1:  # in the plane of both ends, and at right angles
            assert np.abs((quarter * ends[:3]).sum(-1)).max() < 1e-3
            for point, start, end in zip(quarter, ends[:3], ends[3:], strict=True):
                assert np.linalg.svd(np.stack([point, start, end]))[1][-1] < 1e-4 or dim == 2


def test_a_video_has_as_many_frames_as_asked_and_closes(workdir, tmp_path):
    asked = [f'--workdir={workdir}', '--video=12', '--num=3', '--fps=20']
    sample.main([*asked, f'--out={tmp_path / "loop.mp4"}'])
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / 'loop.mp4')) == (12, pytest.approx(0.6))
    sample.main([*asked, f'--out={tmp_path / "loop.gif"}'])
    with Image.open(tmp_path / 'loop.gif') as picture:
        assert (picture.n_frames, picture.info['duration'], picture.info['loop']) == (12, 50, 0)
        frames = np.stack(
            [np.asarray(frame.convert('L'), float) for frame in ImageSequence.Iterator(picture)]
        )
    differences = np.abs(frames - np.roll(frames, 1, axis=0)).reshape(12, -1).mean(axis=1)
    assert differences.min() > 0
    assert differences[0] < 2 * np.median(differences)  # from the last to the first it does not jump
    for suffix in ('mp4', 'gif'):
        assert b'state_sha256=' in (tmp_path / f'loop.{suffix}').read_bytes()


def test_frames_that_are_equal_are_still_as_many_as_asked(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    for frame in (colours, colours[..., :1]):
        video.save_video(tmp_path / 'still.gif', iter(4 * [frame]), 20, 'how')
        with Image.open(tmp_path / 'still.gif') as picture:
            assert (picture.n_frames, picture.info['comment'], picture.info['loop']) == (4, b'how', 0)
            shown = [np.asarray(each.convert('RGB')) for each in ImageSequence.Iterator(picture)]
        np.testing.assert_array_equal(shown, 4 * [np.broadcast_to(frame, (9, 9, 3))])


def test_a_gif_is_no_faster_than_browsers_show_it(refused):
    arguments = ['--workdir=run', '--out=a.gif', '--video=3', '--fps=51']
    refused(sample.main, arguments, '--fps: 51 will not do with a GIF')


def test_a_loop_of_points_moves(tmp_path):
    make_run(tmp_path / 'run', 'points')
    path = tmp_path / 'loop.gif'
    sample.main([f'--workdir={tmp_path / "run"}', f'--out={path}', '--video=3', '--num=20'])
    with Image.open(path) as picture:
        assert picture.n_frames == 3


@pytest.mark.parametrize(
    'asked',
    [
        ['--num=5', '--seed=3', '--checkpoint=4', '--truncation=0.7'],
        ['--interpolate=4', '--num=2', '--no_ema'],
        ['--grid=3'],
        ['--neighbours=2', '--num=3'],
        [],
    ],
)
def test_a_picture_says_how_it_is_made_again_bit_for_bit(workdir, tmp_path, asked):
    draw(workdir, tmp_path, *asked, name='a.png')
    draw(workdir, tmp_path, f'--like={tmp_path / "a.png"}', name='b.png')
    assert (tmp_path / 'b.png').read_bytes() == (tmp_path / 'a.png').read_bytes()


def test_a_picture_is_made_again_by_its_own_run_alone(tmp_path):
    workdir = tmp_path / 'run'
    make_run(workdir, 'dcgan')
    make_run(tmp_path / 'other', 'dcgan', seed=1)
    draw(workdir, tmp_path, '--num=2', name='a.png')
    with pytest.raises(UserError, match='is of the state'):
        draw(tmp_path / 'other', tmp_path, f'--like={tmp_path / "a.png"}', name='b.png')
    with pytest.raises(UserError, match='--seed: 7 will not do with --like'):
        draw(workdir, tmp_path, f'--like={tmp_path / "a.png"}', '--seed=7', name='b.png')
    assert not (tmp_path / 'b.png').exists()


def test_a_picture_is_no_place_for_other_arguments(workdir, tmp_path):
    path = tmp_path / 'a.png'
    for text in ('--out=/etc/passwd', '--seed=1 ; rm', '--images=x', 'x' * 10_000):
        save_png(path, np.zeros((2, 2, 1), np.uint8), {'state_sha256': 'a', 'arguments': text})
        with pytest.raises(UserError):
            draw(workdir, tmp_path, f'--like={path}', name='b.png')
    Image.new('L', (2, 2)).save(path)
    with pytest.raises(UserError, match='does not say how it was made'):
        draw(workdir, tmp_path, f'--like={path}', name='b.png')


def test_what_is_copied_is_found(workdir, tmp_path, capsys):
    config = small_config('dcgan')
    (reals,) = open_domains(config.data).values()
    pictures = reals.images([5, 150])
    mirror = pictures[:, :, ::-1]
    for shown, mirrored, far in ((pictures, False, 0), (mirror, True, 0), (mirror, False, 1)):
        found = nearest.nearest(shown, reals, 3, mirrored)
        if not far:
            assert found.places[:, 0].tolist() == [5, 150]
        assert (found.distances[:, 0] > 0).all() == bool(far)
        assert (np.diff(found.distances) >= 0).all()
    apart = nearest.nearest(pictures, reals, 3, own_places=np.array([5, 150]))
    assert not {5, 150} & set(apart.places[:, 0].tolist())
    # By hand, against all at once.
    squares = ((pictures[:, None] - reals.all_images()[None].astype(float)) ** 2).mean((2, 3, 4))
    np.testing.assert_array_equal(apart.places, np.argsort(squares, axis=1, kind='stable')[:, 1:4])
    np.testing.assert_allclose(apart.distances, np.sqrt(np.sort(squares, axis=1)[:, 1:4]), rtol=1e-5)

    stored = draw(workdir, tmp_path, '--neighbours=2', '--num=3')
    assert stored['nearest 1'].shape == stored['generated'].shape == (3, 16, 16, 1)
    by_pixels = nearest.nearest(stored['generated'], reals, 2)
    np.testing.assert_array_equal(stored['nearest 2'], reals.images(by_pixels.places[:, 1]))
    assert 'to the nearest training picture:' in capsys.readouterr().out


def test_a_level_below_is_compared_at_its_own_size():
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(nearest.shrunk(images, 2)[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])
