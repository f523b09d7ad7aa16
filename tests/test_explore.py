"""What the explorer shows of a run, and where its page listens; the page itself is in test_explore_page."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from commands import make_run
from gan_jax import explore
from gan_jax.base import UserError
from gan_jax.explorer import fragments, guard, own_pictures, views
from gan_jax.pictures import to_uint8
from gan_jax.trained import open_run
from test_safety import HUGE


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """system -> its `Run`, untrained; made when asked for."""
    made = {}

    def of(system):
        if system not in made:
            workdir = tmp_path_factory.mktemp('runs') / system
            make_run(workdir, system)
            made[system] = views.Run(workdir)
        return made[system]

    return of


@pytest.mark.parametrize('system', ['gan', 'dcgan'])
def test_a_z_is_seen_as_sample_draws_it(runs, system):
    run = runs(system)
    trained = open_run(run.workdir)
    inputs = trained.gan.sample_inputs(jax.random.key(7), 1, trained.batch)
    columns = trained.gan.sample(*trained.generator(), inputs, 0)
    seen = run.seen(0, run.z(7))
    np.testing.assert_allclose(seen.pixels, to_uint8(columns['generated'][0]), atol=1)
    (probability,) = trained.gan.judge(*trained.discriminator(), columns, 0)['generated']
    np.testing.assert_allclose(seen.probability, probability, rtol=1e-4)
    assert not run.looks_around


def test_many_pictures_are_made_in_parts(runs, monkeypatch):
    run = runs('dcgan')
    z = np.stack([run.z(seed) for seed in range(5)])
    whole = run.pixels(0, z)
    monkeypatch.setattr(views, 'AT_ONCE', 2 * 16**2)
    assert whole.shape == (5, 16, 16, 1)
    np.testing.assert_allclose(run.pixels(0, z), whole, atol=1)


def test_the_arc_between_two_z_begins_and_ends_there(runs):
    run = runs('gan')
    start, end = run.z(1), run.z(2)
    arc = run.between(start, end, [0, 0.5, 1])
    np.testing.assert_allclose(arc[[0, 2]], [start, end], atol=1e-5)
    assert min(map(np.linalg.norm, (start, end))) < np.linalg.norm(arc[1])


def test_a_d_that_looks_around_judges_beside_others(runs):
    """ProGAN's compares the pictures of a batch."""
    run = runs('progan')
    assert run.looks_around
    seen = run.seen(0, run.z(0))
    others = run.columns(0, run.gan.sample_inputs(jax.random.key(2), views.COMPANIONS, run.batch))
    columns = {
        'generated': np.concatenate([run.columns(0, run.z(0)[None])['generated'], others['generated']])
    }
    np.testing.assert_allclose(seen.probability, run.beliefs(0, columns)[0], rtol=1e-4)


def test_levels_are_those_that_have_been_reached(runs):
    run = runs('progan')
    stages = run.stages
    assert [stage.resolution for stage in run.levels(0)] == [4]
    fading, settled = stages[1], stages[2]
    assert run.levels(fading.last_step) == [stages[0], fading]
    assert run.levels(settled.last_step) == [stages[0], settled]
    assert len(runs('dcgan').levels(0)) == 1
    assert run.pixels(0, run.z(0)[None], settled).shape == (1, 8, 8, 1)


def test_points_are_seen_among_others(runs):
    run = runs('points')
    assert run.makes_points
    one, other = (run.seen(0, run.z(seed)) for seed in (0, 1))
    assert one.pixels.shape == other.pixels.shape
    assert one.pixels.shape[-1] == 3
    assert (one.pixels != other.pixels).any()
    assert 0 <= one.probability <= 1


def test_a_picture_is_translated_and_back(runs):
    run = runs('cyclegan')
    assert run.domains == ('a', 'b')
    for domain, way in (('a', 'a_to_b'), ('b', 'b_to_a')):
        picture = own_pictures.example(run, 0, domain)
        seen = own_pictures.translated(run, 0, domain, picture[:7])  # of which G takes a multiple of 4
        assert list(seen) == [domain, way, f'{way}_to_{domain}']
        np.testing.assert_array_equal(seen[domain].pixels, picture[:7])
        assert all(each.pixels.shape == (7, 8, 1) and 0 <= each.probability <= 1 for each in seen.values())


def test_a_picture_takes_the_form_of_the_data(runs):
    data = runs('progan').config.data
    white = Image.new('L', (100, 60), 255)
    assert (own_pictures.as_trained(white, data, 8) == np.full((8, 8, 1), 255)).all()
    small = own_pictures.as_trained(Image.new('L', (28, 28), 255), data, 32)
    assert (small[2:-2, 2:-2] == 255).all()
    assert not small[:2].any()  # as the data are, with black around
    large = own_pictures.for_translation(Image.new('RGB', (4000, 1000)), 256)
    assert large.shape == (128, 512, 3)


@pytest.mark.parametrize('case', ['png', 'tiff_of_a_huge_tile'])
def test_an_upload_that_is_too_large_is_told_and_gone(case, tmp_path):
    content, size = HUGE[case]
    path = tmp_path / 'a.png'
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'^This file cannot be read as a picture: {size} are too many'):
        own_pictures.read_upload(str(path), 1)
    assert not path.exists()


def test_a_file_elsewhere_is_neither_read_nor_deleted(tmp_path, monkeypatch):
    path = tmp_path / 'mine.png'
    Image.new('L', (4, 4)).save(path)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'uploads'))
    with pytest.raises(UserError, match='This file has not been uploaded'):
        own_pictures.read_upload(str(path), 1)
    with pytest.raises(UserError, match='This file has not been uploaded'):
        own_pictures.read_upload(str(tmp_path / 'uploads' / '..' / 'mine.png'), 1)
    assert path.exists()


def test_where_the_data_are_missing_there_is_no_example(runs, monkeypatch):
    run = runs('gan')
    assert own_pictures.example(run, 0).shape == (8, 8, 1)
    monkeypatch.setitem(run.__dict__, 'data', {})
    assert own_pictures.example(run, 0) is None


def test_curves(runs):
    run = runs('dcgan')
    assert run.curves() is None
    (run.workdir / 'metrics.jsonl').write_text('{"step": 1, "kimg": 1.0, "generator_loss": 0.5}\n')
    assert run.curves().shape[-1] == 3


def test_fragments_take_any_text_and_any_number():
    pixels = np.zeros((2, 3, 1), np.uint8)
    shown = fragments.figure(pixels, '"><script>', '<b>', fragments.belief(np.nan))
    assert '<script>' not in shown
    assert '<b>' not in shown.replace('<b class', '')
    assert 'not a number' in shown
    assert '73.0 %' in fragments.belief(0.73)
    for number in (1, 2, 100, 512, 1000):
        bars = fragments.bars(np.linspace(-9, 9, number))
        assert bars.shape[1] % number == 0
        assert (bars[..., 3] > 0).any()
    up, down = fragments.bars(np.array([2.0])), fragments.bars(np.array([-2.0]))
    assert (up[0] == down[-1]).all()


def test_the_next_port_that_is_free_is_taken(monkeypatch):
    with explore.bound('127.0.0.1', 0) as first:
        port = first.getsockname()[1]
        if port < 65_535:
            with explore.bound('127.0.0.1', port) as second:
                assert second.getsockname()[0] == '127.0.0.1'
                assert second.getsockname()[1] > port
        monkeypatch.setattr(explore, 'PORTS_TRIED', 1)
        with pytest.raises(UserError, match=f'^--port: {port} and all up to {port} are taken'):
            explore.bound('127.0.0.1', port)


def test_nobody_else_is_listened_to_by_default():
    options = explore.parse(['--workdir=run'])
    assert (options.host, options.port) == ('127.0.0.1', 7860)


def test_uploads_go_where_they_are_deleted():
    before = tempfile.gettempdir()
    with explore.temporary_folder():
        folder = Path(os.environ['GRADIO_TEMP_DIR'])
        assert Path(tempfile.gettempdir()) == folder != Path(before)
        (folder / 'upload.png').write_bytes(b'mine')
    assert not folder.exists()
    assert tempfile.gettempdir() == before


def test_without_gradio_one_line_says_what_to_do(refused, workdir, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    expected = 'explore needs Gradio; pip install -r requirements-explore.txt, or with the extra'
    refused(explore.main, ['--workdir=run', '--port=0'], expected)


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({'host': 'here:1', 'origin': 'http://here:1', 'content-length': '10'}, 200),
        ({'host': 'here:1', 'content-length': '10'}, 200),  # no browser's
        ({'host': 'here:1', 'origin': 'http://elsewhere', 'content-length': '10'}, 403),
        ({'host': 'here:1', 'origin': 'null', 'content-length': '10'}, 403),
        ({'host': 'here:1', 'content-length': '11'}, 413),
        ({'host': 'here:1', 'transfer-encoding': 'chunked'}, 413),  # of any length
        ({'host': '[::1]:7860', 'content-length': '10'}, 200),
        ({'host': 'Here', 'content-length': '10'}, 200),
        ({'host': 'elsewhere:1', 'content-length': '10'}, 400),
        ({'host': '[::1', 'content-length': '10'}, 400),
        ({}, 400),
    ],
)
def test_what_other_sites_ask_and_what_is_too_much_is_refused(headers, status):
    sent = []

    async def app(scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})

    async def send(message):
        sent.append(message)

    scope = {'type': 'http', 'method': 'POST'}
    scope['headers'] = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(guard.guarded(app, most_bytes=10, names=('here', '[::1]'))(scope, None, send))
    assert sent[0]['status'] == status
