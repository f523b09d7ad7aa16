"""The guided tour runs, prints what it says it prints, and quotes lines that are there."""

import contextlib
import io

import numpy as np
import pytest

from commands import make_run
from helpers import ROOT
from pages import blocks, check_quotation, numbers, quotations, words

PAGE = 'docs/tour.md'
WORKDIR = 'runs/dcgan_fashion_mnist'


def runnable() -> list[tuple[str, str]]:
    """(code, output as the tour has it), in order; each block that runs has an output after it."""
    in_order = blocks(PAGE)
    places = [number for number, block in enumerate(in_order) if block.language == 'python']
    assert all(in_order[number + 1].language == 'text' for number in places)
    return [(in_order[number].text, in_order[number + 1].text) for number in places]


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    """A run like the tour's, with tiny networks that nobody has trained."""
    folder = tmp_path_factory.mktemp('tour') / 'run'
    make_run(folder, 'dcgan')
    return folder


def test_there_is_something_to_check():
    assert len(quotations(PAGE)) >= 10
    assert len(runnable()) >= 8
    assert {block.language for block in blocks(PAGE)} == {'python', 'py', 'text', 'sh'}


@pytest.mark.parametrize('block', quotations(PAGE), ids=lambda block: block.before)
def test_quoted_lines_are_in_the_named_file(block):
    check_quotation(block)


def test_every_block_runs_and_prints_what_the_tour_says(workdir, monkeypatch):
    monkeypatch.chdir(ROOT)
    namespace = {}
    for code, expected in runnable():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code.replace(WORKDIR, str(workdir)), 'docs/tour.md', 'exec'), namespace)
        printed = printed.getvalue()
        if 'workdir' in namespace:
            # Another run, and so other numbers, but lines that begin alike.
            assert printed.split()[0] == expected.split()[0]
            continue
        assert words(printed) == words(expected)
        np.testing.assert_allclose(numbers(printed), numbers(expected), rtol=1e-3, atol=2e-3, err_msg=code)
