"""The explorer's page as a person uses it: the real command, and a real browser without a screen."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from gan_jax import loop
from helpers import ROOT, small_config
from runs import ENVIRONMENT
from test_safety import png

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
NEEDED = {
    'gradio: pip install -r requirements-explore.txt': find_spec('gradio'),
    'playwright: pip install -r requirements-dev-explore.txt': find_spec('playwright'),
    'chromium: apt-get install chromium': CHROMIUM,
}
DESKTOP, PHONE = {'width': 1280, 'height': 800}, {'width': 390, 'height': 844}
SECONDS = 120  # for what takes one where nothing else is at work
STRIPS = '[...document.querySelectorAll(".direction .strip")].map(strip => strip.innerHTML).join()'


@pytest.fixture(autouse=True)
def everything_needed():
    missing = [what for what, found in NEEDED.items() if not found]
    if missing and os.environ.get('EXPLORE_MUST_RUN'):
        pytest.fail(f'missing {missing}, and EXPLORE_MUST_RUN is set')
    if missing:
        pytest.skip(f'missing {", ".join(missing)}')


@contextlib.contextmanager
def served(workdir, temporary, says=''):
    """The page's address; the process must end well, having said `says`, and leave nothing in `temporary`."""
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, '-m', 'gan_jax.explore', f'--workdir={workdir}', '--port=0'],
        env={**ENVIRONMENT, 'PYTHONPATH': str(ROOT), 'TMPDIR': str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith('http://127.0.0.1:'), process.communicate()
        assert list(temporary.iterdir())
        yield address
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert out == ''
        assert err.rstrip('\n').endswith(says) if says else err == ''
        assert process.returncode == 0
        assert not list(temporary.iterdir())
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def browser():
    """A Chromium; its pages must say nothing on the console and ask nobody else."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield chromium
        chromium.close()


@contextlib.contextmanager
def opened(chromium, address, size=DESKTOP):
    page = chromium.new_page(viewport=size)
    page.set_default_timeout(1000 * SECONDS)
    wrong = []
    page.on('console', lambda message: wrong.append(message.text) if message.type == 'error' else None)
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on(
        'request', lambda request: wrong.append(request.url) if is_foreign(request.url, address) else None
    )
    page.goto(address)
    try:
        yield page, wrong
    except Exception:  # which pytest shows with it: what the person would have seen
        print(page.locator('body').inner_text(), wrong, sep='\n')
        raise
    assert wrong == []
    page.close()


def is_foreign(url, address):
    return not url.startswith((f'{address}/', 'data:', 'blob:'))


def drag(page, slider, value):
    """Moves a slider as a hand does: input on the way, and change at the end."""
    page.locator(f'#{slider} input[type=range]').evaluate(
        """(slider, value) => {
            slider.value = value;
            for (const kind of ['input', 'change', 'pointerup'])
                slider.dispatchEvent(new Event(kind, {bubbles: true}));
        }""",
        value,
    )


def shown(page):
    """The picture and D's probability, as the page has them."""
    return page.locator('#stage .main img').get_attribute('src'), page.locator(
        '#stage .probability'
    ).get_attribute('title')


def until_changed(page, before):
    """What is shown once the picture is another one."""
    page.wait_for_function(
        'before => document.querySelector("#stage .main img").src !== before', arg=before[0]
    )
    return shown(page)


def tab(page, name):
    page.get_by_role('tab', name=name, exact=True).click()


def upload(page, where, content, name='mine.png'):
    page.locator(f'#{where} input[type=file]').set_input_files(
        {'name': name, 'mimeType': 'image/png', 'buffer': content}
    )


def picture(colour, size=(20, 12)):
    file = io.BytesIO()
    Image.new('RGB', size, colour).save(file, 'png')
    return file.getvalue()


def has_no_sideways_scrolling(page):
    return page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')


@pytest.fixture
def trained(tmp_path):
    """Trains a small one of a system: its workdir."""

    def train(system, **overrides):
        config = small_config(system, keep_checkpoints=3, **overrides)
        loop.train(config, tmp_path / 'run')
        return tmp_path / 'run'

    return train


def test_a_person_explores_a_run(trained, tmp_path):
    # Long enough, and fast enough, for D to have an opinion.
    overrides = {'optimizer__discriminator__learning_rate': 0.01, 'optimizer__generator__learning_rate': 0.01}
    workdir = trained('dcgan', num_steps=40, checkpoint_every_steps=20, **overrides)
    refused = 'it was not uploaded by a user.'  # what Gradio says of a path that no person has typed
    with served(workdir, tmp_path / 'temporary', refused) as address, browser() as chromium:
        with opened(chromium, address) as (page, wrong):
            first = shown(page)
            page.wait_for_selector('.direction .strip')
            assert page.locator('.direction .strip').count() == 8
            before = page.evaluate(STRIPS)

            drag(page, 'direction-1', 3)
            moved = until_changed(page, first)
            assert moved[1] != first[1]
            drag(page, 'direction-1', 0)
            assert until_changed(page, moved) == first

            # By keyboard, and all back: what is below the sliders follows.
            page.wait_for_function(f'before => {STRIPS} === before', arg=before)
            page.locator('#direction-2 input[type=range]').press('End')
            until_changed(page, first)
            page.wait_for_function(f'before => {STRIPS} !== before', arg=before)
            page.get_by_role('button', name='All back to 0').click()
            page.wait_for_function(f'before => {STRIPS} === before', arg=before)

            # While a person types, a field is empty, or holds more than it may.
            typed = page.locator('#direction-1 input[type=number]')
            typed.fill('99')
            farthest = until_changed(page, first)
            typed.fill('')
            assert until_changed(page, farthest) == first

            tab(page, 'Numbers of z')
            z_0 = page.locator('#number-0 input[type=number]')
            page.wait_for_function('document.querySelector("#number-0 input[type=number]").value !== "0"')
            assert -4 <= float(z_0.input_value()) <= 4
            drag(page, 'number-0', 4)
            numbered = until_changed(page, first)

            tab(page, 'Between two')
            page.wait_for_selector('.strip:visible')
            drag(page, 'between', 0.5)
            between = until_changed(page, numbered)

            tab(page, 'Over training')
            page.wait_for_selector('.curves')
            assert page.locator('.strip:visible figcaption').all_inner_texts() == ['20', '40']
            assert page.locator('.strip:visible .word').count() == 2  # D's
            drag(page, 'checkpoint', 1)
            assert until_changed(page, between)[1] != between[1]
            assert 'step 20' in page.locator('.where').inner_text()

            before = shown(page)
            page.locator('#new').click()
            until_changed(page, before)

            tab(page, 'Your picture')
            upload(page, 'upload', picture('white'))
            page.wait_for_selector('.row-of-figures:visible .probability')
            white = page.locator('.row-of-figures:visible').inner_html()
            page.locator('#of-data').click()
            page.wait_for_function(
                'white => document.querySelector(".row-of-figures").innerHTML !== white', arg=white
            )

            upload(page, 'upload', b'no picture')
            page.get_by_text('This file cannot be read as a picture').wait_for()
            upload(page, 'upload', png(20_000, 20_000))
            page.get_by_text('20000 × 20000 pixels are too many').wait_for()
            upload(page, 'upload', bytes(2**20 * 21))
            page.get_by_text('exceed the maximum allowed size of 20.0 Mb').first.wait_for()
            # Where it refuses a file, Gradio's page asks for one that is not there, and says so.
            wrong[:] = [each for each in wrong if '404' not in each and each != 'Response']
            kept = [path for path in (tmp_path / 'temporary').rglob('*') if path.is_file()]
            assert not [path for path in kept if path.stat().st_size]  # Gradio leaves empty ones for now

        with opened(chromium, address, PHONE) as (page, _):
            page.wait_for_selector('.direction .strip')
            assert has_no_sideways_scrolling(page)
            page.locator('#direction-4').scroll_into_view_if_needed()
            assert page.locator('#stage .main img').is_visible()

        # Files that nobody has uploaded are neither read nor deleted.
        config = json.load(urlopen(f'{address}/config'))
        files = {component['id'] for component in config['components'] if component['type'] == 'file'}
        takers = [each['id'] for each in config['dependencies'] if files & set(each['inputs'])]
        assert takers
        for taker in takers:
            mine = {'path': str(workdir / 'config.json'), 'meta': {'_type': 'gradio.FileData'}}
            data = json.dumps({'data': [mine, 1], 'fn_index': taker, 'session_hash': 'x'}).encode()
            asked = Request(
                f'{address}/gradio_api/run/predict', data, headers={'Content-Type': 'application/json'}
            )
            with pytest.raises(HTTPError):
                urlopen(asked)
            assert (workdir / 'config.json').exists()
        with pytest.raises(HTTPError):
            urlopen(f'{address}/gradio_api/file={workdir / "config.json"}')
        assert (workdir / 'config.json').exists()

        # Another site's page, which has had its name lead here, is told nothing.
        with pytest.raises(HTTPError, match='400'):
            urlopen(Request(address, headers={'Host': 'elsewhere.example'}))


@pytest.mark.slow
def test_a_run_that_translates(trained, tmp_path):
    workdir = trained('cyclegan', gan__pool_size=0, num_steps=4)
    with (
        served(workdir, tmp_path / 'temporary') as address,
        browser() as chromium,
        opened(chromium, address) as (page, _),
    ):
        for domain, name in (('a', 'A to B'), ('b', 'B to A')):
            tab(page, name)
            result = page.locator(f'#result-{domain}')
            assert result.locator('img').count() == 3
            before = result.inner_html()
            upload(page, f'upload-{domain}', picture('red', (30, 21)))
            page.wait_for_function(
                '([id, before]) => document.querySelector(id).querySelector("img").src !== before',
                arg=[f'#result-{domain}', result.locator('img').first.get_attribute('src')],
            )
            assert result.inner_html() != before
            assert result.locator('img').evaluate_all(
                'all => all.map(each => [each.naturalWidth, each.naturalHeight])'
            ) == 3 * [[30, 21]]
            assert result.locator('.probability').count() == 3
        tab(page, 'Curves')
        page.wait_for_selector('.curves')
        page.set_viewport_size(PHONE)
        assert has_no_sideways_scrolling(page)


@pytest.mark.slow
def test_a_run_that_has_grown(trained, tmp_path):
    workdir = trained('progan', num_steps=0)
    with (
        served(workdir, tmp_path / 'temporary') as address,
        browser() as chromium,
        opened(chromium, address) as (page, _),
    ):
        assert 'looks at several pictures at once' in page.locator('.title').inner_text()
        assert 'wasserstein loss gives no probability' in page.locator('.title').inner_text()
        tab(page, 'Levels')
        page.wait_for_selector('.strip:visible')
        assert page.locator('.strip:visible figcaption').all_inner_texts() == ['4 × 4', '8 × 8']


@pytest.mark.slow
def test_a_run_of_points(trained, tmp_path):
    workdir = trained('points')
    with (
        served(workdir, tmp_path / 'temporary') as address,
        browser() as chromium,
        opened(chromium, address) as (page, _),
    ):
        first = shown(page)
        drag(page, 'direction-1', 3)
        until_changed(page, first)
        for name in ('Numbers of z', 'Between two', 'Over training'):
            tab(page, name)
        page.wait_for_selector('.curves')
        assert page.get_by_role('tab', name='Your picture').count() == 0
