"""The tour as a notebook: valid, small, run from top to bottom, and showing what it showed."""

import io
import os
import subprocess
import sys
from base64 import b64decode

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers import ROOT
from pages import numbers, words

NOTEBOOK = ROOT / 'docs/notebook.ipynb'
# In a process of its own: what the kernel's libraries warn of is not ours, and their event loop stays there.
RUN = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, resources={'metadata': {'path': sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""
# A person's kernel has one device and compiles at its best; ours do not.
OURS = ('JAX_', 'XLA_FLAGS', 'TF_CPP_MIN_LOG_LEVEL')


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == 'code']


def shown(cell):
    """What a cell has put out: its text, and the last value as a picture."""
    text, pictures = '', []
    for output in cell.outputs:
        assert output.output_type in ('stream', 'execute_result'), output
        if output.output_type == 'stream':
            assert output.name == 'stdout', output.text
            text += output.text
        else:
            with Image.open(io.BytesIO(b64decode(output.data['image/png']))) as picture:
                pictures.append(np.asarray(picture))
    return text, pictures


@pytest.fixture(scope='module')
def executed(tmp_path_factory):
    """The cells of a run in the folder of the notebook, as a person's, and those that are kept."""
    path = tmp_path_factory.mktemp('notebook') / 'executed.ipynb'
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment |= {'JAX_NUM_CPU_DEVICES': '1', 'JAX_PLATFORMS': 'cpu'}
    command = [sys.executable, '-c', RUN, str(NOTEBOOK), str(NOTEBOOK.parent), str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return list(zip(code_cells(path), code_cells(NOTEBOOK), strict=True))


def test_it_is_a_notebook_that_a_page_can_show():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < 500_000
    assert str(ROOT) not in NOTEBOOK.read_text()
    assert [cell.execution_count for cell in code_cells(NOTEBOOK)] == list(
        range(1, len(code_cells(NOTEBOOK)) + 1)
    )


@pytest.mark.slow
def test_it_shows_what_it_showed(executed):
    """Its text to rounding and its pictures nearly; after a training, which magnifies rounding, in form."""
    num_pictures = 0
    for cell, kept in executed:
        (text, pictures), (kept_text, kept_pictures) = shown(cell), shown(kept)
        assert words(text) == words(kept_text)
        varies = 'varies' in cell.metadata.get('tags', [])
        if not varies:
            np.testing.assert_allclose(numbers(text), numbers(kept_text), rtol=0.01, atol=0.02)
        for picture, kept_picture in zip(pictures, kept_pictures, strict=True):
            assert picture.shape == kept_picture.shape
            assert np.std(picture) > 1
            if not varies:
                difference = np.abs(picture.astype(float) - kept_picture)
                assert np.mean(difference) < 2
        num_pictures += len(pictures)
    assert num_pictures >= 6


@pytest.mark.slow
def test_what_it_trained_draws_garments_and_not_one_alone(executed):
    """Light on black, as the reals are, and of another kind for another z."""
    pictures = [picture for cell, _ in executed for picture in shown(cell)[1]]
    reals, drawn = pictures[0].astype(float), pictures[3].astype(float)
    assert drawn.shape == reals.shape
    assert abs(drawn.mean() - reals.mean()) < 0.25 * reals.mean()
    tiles = drawn[2:].reshape(4, -1, drawn.shape[1])
    assert np.std(tiles - tiles.mean(0), axis=0).mean() > 20
