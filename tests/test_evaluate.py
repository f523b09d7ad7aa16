"""python -m gan_jax.evaluate: runs, folders and arrays of features, each beside its reals."""

import json
import re

import jax
import numpy as np
import pytest
from PIL import Image

from commands import make_run
from gan_jax import cli, evaluate
from gan_jax.compilation import Programs
from gan_jax.data.folder import open_folder
from gan_jax.data.source import open_images
from gan_jax.evaluation import Evaluation, open_look
from gan_jax.metrics.figures import with_counts
from gan_jax.metrics.frechet import exact_moments, frechet_distance
from helpers import small_config
from test_metrics import FAKE, REAL, REFERENCE

# A header alone, of an array that would take half a terabyte.
HUGE = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 64), }"
HUGE = HUGE.ljust(127) + b'\n'


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))


def measured(tmp_path, *arguments):
    """The figures and the protocol that are written."""
    out = tmp_path / 'figures.json'
    evaluate.main([*map(str, arguments), f'--json={out}'])
    written = json.loads(out.read_text())
    return written['figures'], written['protocol']


def saved(folder, pictures, mode=None):
    folder.mkdir()
    for number, picture in enumerate(pictures):
        image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
        (image.convert(mode) if mode else image).save(folder / f'{number:03}.png')
    return folder


def test_arrays_of_features(tmp_path, capsys):
    for name, array in (('a', FAKE), ('b', REAL.astype(np.float64))):
        np.save(tmp_path / f'{name}.npy', array)
    files = f'--features_a={tmp_path}/a.npy', f'--features_b={tmp_path}/b.npy'
    figures, protocol = measured(tmp_path, *files, '--metrics=fd,kid,pr,dc')
    assert figures['FD'] == pytest.approx(REFERENCE['fd'], rel=1e-4)
    assert (figures['KD'], figures['KD sd']) == pytest.approx(REFERENCE['kid'], rel=1e-4)
    for name in ('precision', 'recall', 'density', 'coverage'):
        assert figures[name] == pytest.approx(REFERENCE[name], rel=1e-4)
    assert (protocol['number of fakes'], protocol['number of reals'], protocol['features']) == (
        1100,
        1200,
        24,
    )
    printed = capsys.readouterr().out
    assert re.search(r'^KD \(1.1k/1.2k\) +1.2832 ± 0.229$', printed, re.MULTILINE)
    assert re.search(r'^FD \(1.1k/1.2k\) +1.33331$', printed, re.MULTILINE)
    assert protocol['kid'] == '100 blocks of 1,000 or as many as there are, chosen by seed 2020'


def test_a_folder_of_a_data_sets_own_pictures(workdir, tmp_path):
    """They are no distance away, whether they lie in files or in the set."""
    images = open_images(small_config('gan', data__split='train[:200]').data)
    folder = saved(tmp_path / 'fakes', images.all_images())
    figures, protocol = measured(tmp_path, f'--workdir={workdir}', f'--images={folder}', '--metrics=fd,pr')
    assert figures == {'FD-small_cnn': pytest.approx(0, abs=1e-3), 'precision': 1, 'recall': 1}
    assert protocol['number of fakes'] == protocol['number of reals'] == 200


def test_two_folders(tmp_path):
    """Pictures of any kind and size, as large as the first of the reals; the network sees no colours."""
    random = np.random.RandomState(0)
    reals = saved(tmp_path / 'reals', random.randint(0, 256, (20, 16, 16, 3), np.uint8))
    fakes = saved(tmp_path / 'fakes', random.randint(0, 128, (30, 20, 32, 3), np.uint8))
    arguments = [f'--images={fakes}', f'--against={reals}', '--network=small_cnn']
    figures, protocol = measured(tmp_path, *arguments)
    assert protocol['resolution'] == 16
    assert figures['FD-small_cnn'] > 0.1
    again, _ = measured(tmp_path, *arguments)  # the reals come from the cache now
    assert again == figures
    same, _ = measured(tmp_path, f'--images={reals}', f'--against={reals}', '--network=small_cnn')
    assert same['FD-small_cnn'] == pytest.approx(0, abs=1e-4)
    larger, protocol = measured(tmp_path, *arguments, '--resolution=32')
    assert protocol['resolution'] == 32
    assert larger['FD-small_cnn'] != figures['FD-small_cnn']


def test_pictures_of_a_folder_fit_as_those_of_a_set_do(tmp_path):
    picture = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    folder = str(saved(tmp_path / 'pictures', picture))
    padded = open_folder(folder, '--images', 10, 1, 'pad').images([0])
    np.testing.assert_array_equal(padded, np.pad(picture, ((0, 0), (1, 1), (1, 1), (0, 0))))
    np.testing.assert_array_equal(open_folder(folder, '--images', None, 1).images([0]), picture)
    with pytest.raises(cli.UserError, match='has 8×8 pixels; takes at most 4×4'):
        open_folder(folder, '--images', 4, 1, 'pad').images([0])


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (
            np.zeros((50, 3, 2), np.float32),
            'holds float32[50, 3, 2]; takes a .npy file with floats',
        ),
        (np.zeros((50, 3), np.int64), 'holds int64[50, 3]; takes'),
        (np.full((50, 3), np.nan), 'holds numbers that are not finite, or too large; takes'),
        (np.full((50, 3), 1e200), 'holds numbers that are not finite, or too large; takes'),
        (np.full((50, 3), np.inf, np.float16), 'holds numbers that are not finite, or too large; takes'),
        (np.zeros((50, 0)), 'holds float64[50, 0]; takes'),
        (np.zeros((1, 3)), '1 will not do for fd; takes 2 or more'),
        (np.zeros((50, 4)), 'got 3 features; takes 4, as --features_a has'),
        (b'', 'cannot be read'),
        (b'PK\x03\x04', 'cannot be read'),
        (np.array([{}], object), 'cannot be read'),
        (HUGE, 'cannot be read'),
    ],
)
def test_arrays_that_are_none(refused, tmp_path, content, expected):
    path = tmp_path / 'a.npy'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    np.save(tmp_path / 'b.npy', np.zeros((50, 3)))
    flag = '--features_b: ' if 'got' in expected else '--features_a: '
    refused(evaluate.main, ['--features_a=a.npy', '--features_b=b.npy'], flag, expected)


def test_a_run_of_points_counts_its_modes(tmp_path):
    make_run(tmp_path / 'points', 'points')
    figures, protocol = measured(tmp_path, f'--workdir={tmp_path}/points', '--metrics=modes,fd')
    assert list(figures) == ['modes', 'high_quality', 'reverse_kl', 'FD-points']
    assert (protocol['number of fakes'], protocol['seed of z']) == (40, 0)


@pytest.mark.parametrize(
    ('flag', 'expected'),
    [
        ('--metrics=is', "--metrics: 'is' will not do; takes one of modes, fd, kid, pr, dc"),
        ('--split=train[:10%]', "--split: 'train[:10%]' will not do; takes one of train, test"),
        ('--network=small_cnn', "--network: 'small_cnn' will not do; takes one of points"),
    ],
)
def test_a_run_is_asked_for_what_its_system_takes(refused, tmp_path, flag, expected):
    make_run(tmp_path / 'points', 'points')
    refused(evaluate.main, ['--workdir=points', flag], expected)


@pytest.mark.parametrize(
    ('system', 'arguments', 'expected'),
    [
        ('points', ['--images=pictures'], '--images: '),
        ('cyclegan', ['--seed=3'], '--seed: 3 will not do, as the run draws no z; takes none'),
        ('gan', ['--images=pictures', '--domain=a'], "--domain: 'a' will not do, as the run has one alone"),
    ],
)
def test_what_a_run_has_no_use_for_is_refused(refused, tmp_path, system, arguments, expected):
    make_run(tmp_path / 'run', system)
    saved(tmp_path / 'pictures', np.zeros((6, 8, 8, 1), np.uint8))
    refused(evaluate.main, ['--workdir=run', *arguments], expected)


def test_a_folder_is_compared_with_the_domain_asked_for(tmp_path):
    make_run(tmp_path / 'run', 'cyclegan')
    folder = saved(tmp_path / 'fakes', np.zeros((6, 16, 16, 1), np.uint8))
    both = [f'--workdir={tmp_path}/run', f'--images={folder}', '--metrics=fd']
    (a, of_a), (b, of_b) = (measured(tmp_path, *both, f'--domain={domain}') for domain in 'ab')
    assert (of_a['domain'], of_b['domain']) == ('a', 'b')
    assert a != b


def test_translations_are_measured_both_ways_on_the_split_asked_for(tmp_path):
    make_run(tmp_path / 'translates', 'cyclegan')
    splits = '--split=test[:12],test[12:30]'
    figures, protocol = measured(tmp_path, f'--workdir={tmp_path}/translates', '--metrics=fd', splits)
    ways = ['a_to_b FD-small_cnn', 'b_to_a FD-small_cnn', 'a_to_b_to_a error', 'b_to_a_to_b error']
    assert sorted(figures) == sorted(ways)
    of_way = lambda way: tuple(protocol[f'number of {kind} ({way})'] for kind in ('fakes', 'reals'))
    assert (of_way('a_to_b'), of_way('b_to_a')) == ((12, 18), (18, 12))
    assert with_counts(ways[0], protocol) == 'a_to_b FD-small_cnn (12/18)'
    assert 'seed of z' not in protocol
    assert protocol['weights'] == 'as they are'


def test_figures_that_need_classes_need_pictures(refused, tmp_path):
    arguments = ['--features_a=a.npy', '--features_b=b.npy', '--metrics=fd,is']
    refused(evaluate.main, arguments, '--metrics: is will not do without pictures; takes fd, kid, pr, dc')


def test_a_broken_picture_of_a_folder_is_named(refused, workdir, tmp_path):
    folder = saved(tmp_path / 'pictures', np.zeros((6, 8, 8, 1), np.uint8))
    (folder / '001.png').write_bytes(b'no picture')
    arguments = ['--workdir=run', '--images=pictures']
    refused(evaluate.main, arguments, '--images: ', '001.png', 'cannot be read')


def test_the_distance_of_all_is_that_of_the_arrays(workdir, tmp_path):
    """What streams over devices in float32 is what NumPy makes of the features of all."""
    config = small_config('gan')
    look = open_look(config.evaluation, jax.devices(), Programs())
    seen = Evaluation(config, look, 0).real('image')
    assert frechet_distance(seen.moments, exact_moments(seen.features)) == pytest.approx(0, abs=1e-4)
