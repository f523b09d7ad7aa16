"""How to add a GAN: the page's own two files, in a copy of the repository, and the page's own commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import ROOT, SHORT
from pages import blocks, check_quotation, quotations, words

PAGE = 'docs/new_gan.md'
FILES = ('gan_jax/gans/lsgan.py', 'configs/lsgan_fashion_mnist.py')
COMMANDS = [
    command for block in blocks(PAGE) if block.language == 'sh' for command in block.text.splitlines()
]
RUNS = [command for command in COMMANDS if 'train.py' in command and '--workdir' in command]


@pytest.fixture(scope='module')
def repository(tmp_path_factory):
    """A copy of the repository to which a reader has added the page's files."""
    copy = tmp_path_factory.mktemp('repository')
    for name in ('gan_jax', 'configs', 'tests'):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('train.py', 'pyproject.toml'):
        shutil.copy(ROOT / name, copy)
    for file in FILES:
        assert not (copy / file).exists()
        (copy / file).write_text(file_of_the_page(file))
    return copy


def file_of_the_page(name: str) -> str:
    """The blocks under a file's name, one below the other."""
    return '\n\n'.join(block.text for block in blocks(PAGE) if block.before == f'`{name}`:')


def said(repository: Path, command: str) -> str:
    """What a command of the page prints, typed in the root of the repository."""
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '1', 'PATH': path, 'PYTHONDONTWRITEBYTECODE': '1'}
    how = {'capture_output': True, 'text': True, 'timeout': 600}
    done = subprocess.run(command, shell=True, cwd=repository, env=environment, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def form(line: str) -> list[str]:
    """Of the line that ends a run, all but its numbers and its hash."""
    return words(re.sub(r'\b[0-9a-f]{64}$', '', line))


def shortened(command: str, **more: int) -> str:
    """The same run with tiny networks and few steps."""
    values = {**SHORT, 'gan.width': 4, **more}
    command = re.sub(r' --config\.num_steps=\d+', '', command)
    return ' '.join([command, *(f"'--config.{name}={value}'" for name, value in values.items())])


def test_every_block_is_a_file_a_quotation_a_command_or_what_it_prints():
    for block in blocks(PAGE):
        assert block.language in ('python', 'py', 'sh', 'text')
        assert block.language != 'python' or block.before in [f'`{file}`:' for file in FILES]
    assert len(RUNS) == 3


@pytest.mark.parametrize('block', quotations(PAGE), ids=lambda block: block.before)
def test_quoted_lines_are_in_the_named_file(block):
    check_quotation(block)


def test_the_files_are_written_as_ours_are(repository):
    ruff = f'"{sys.executable}" -m ruff'
    said(repository, f'{ruff} check {" ".join(FILES)} && {ruff} format --check {" ".join(FILES)}')
    assert len((repository / FILES[0]).read_text().splitlines()) < 130


def test_the_dry_run_counts_what_the_page_says(repository):
    (command,) = (command for command in COMMANDS if '--dry_run' in command)
    report = said(repository, command)
    counts = next(block.text for block in blocks(PAGE) if block.language == 'text')
    assert counts.replace(' ', '') in report.replace(' parameters', 'parameters').replace(' ', '')
    least, ratio = (float(number) for number in report.splitlines()[-1].split()[6:8])
    assert least > 1
    assert 0.95 < ratio < 1.05


def test_what_holds_for_every_config_holds_for_it(repository):
    (command,) = (command for command in COMMANDS if 'pytest' in command)
    report = said(repository, command)
    tests = re.search(r'(\d+) passed', report)
    assert tests
    assert int(tests[1]) >= 10
    assert 'skipped' not in report


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_bits_and_is_drawn_from(repository):
    train, at_once = RUNS[0], RUNS[0].replace('--workdir=runs/', '--workdir=runs/whole_')
    assert train != at_once
    said(repository, shortened(train, num_steps=4))
    last = said(repository, shortened(train)).splitlines()[-1]
    assert re.match(r'step 8 · .* · state sha256 [0-9a-f]{64}$', last)
    assert said(repository, shortened(at_once)).splitlines()[-1] == last
    *_, shown = (block.text for block in blocks(PAGE) if block.language == 'text')
    assert form(shown.splitlines()[-1]) == form(last)

    (command,) = (command for command in COMMANDS if 'gan_jax.sample' in command)
    said(repository, command)
    with Image.open(repository / re.search(r'--out=(\S+)', command)[1]) as picture:
        assert min(picture.size) >= 256
        assert np.std(picture) > 1


@pytest.mark.slow
@pytest.mark.parametrize('command', RUNS[1:], ids=lambda command: re.search(r'runs/(\w+)', command)[1])
def test_its_other_runs_come_to_their_end(repository, command):
    assert 'state sha256' in said(repository, shortened(command))
