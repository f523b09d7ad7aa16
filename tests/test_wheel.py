"""The wheel holds what runs need and nothing else, and trains in an empty folder, far from any clone."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest

import gan_jax
from helpers import ROOT

# What a clone has; a working tree may hold runs and data beside it.
FOLDERS = ('gan_jax', 'configs', 'tests', 'benchmarks', 'docs', '.ci')
FILES = ('*.md', '*.toml', 'requirements*.txt', 'train.py', '*.in', '.pre*.yaml', 'LICENSE', 'Makefile')
PIP = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-input']
OFFLINE = ['--quiet', '--no-index', '--no-deps']


def run(*command, **keywords):
    """What it prints; where it fails, all that it has said."""
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=300, **keywords
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """(source distribution, the wheel that is built out of it)."""
    folder = tmp_path_factory.mktemp('built')
    source = folder / 'source'
    source.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
    for path in [path for pattern in FILES for path in ROOT.glob(pattern)]:
        shutil.copy(path, source)
    build = 'import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])'
    run(sys.executable, '-c', build, folder, cwd=source)
    (sdist,) = folder.glob('*.tar.gz')
    run(*PIP, 'wheel', *OFFLINE, '--no-build-isolation', '--wheel-dir', folder, sdist)
    (wheel,) = folder.glob('*.whl')
    return sdist, wheel


def files_below(folder):
    return {
        str(path.relative_to(folder.parent))
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def requirements(name):
    lines = (line.partition('#')[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line]


def test_the_wheel_holds_the_package_and_the_configs_alone(built):
    with zipfile.ZipFile(built[1]) as wheel:
        about = f'gan_jax-{gan_jax.__version__}.dist-info'
        inside = {name for name in wheel.namelist() if not name.startswith(f'{about}/')}
        metadata = email.message_from_bytes(wheel.read(f'{about}/METADATA'))
        licences = [name for name in wheel.namelist() if name.startswith(f'{about}/licenses/')]
    configs = {f'gan_jax/{name}' for name in files_below(ROOT / 'configs')}
    assert inside == files_below(ROOT / 'gan_jax') | configs
    assert len(licences) == 2  # of the code, of the embedded pictures
    needed = [need for need in metadata.get_all('Requires-Dist') if 'extra ==' not in need]
    assert len(needed) == len(requirements('requirements.txt'))
    dynamic = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['setuptools']['dynamic']
    for extra, declared in dynamic['optional-dependencies'].items():
        (file,) = declared['file']  # of a missing one setuptools makes an extra that brings nothing
        needed = [need for need in metadata.get_all('Requires-Dist') if f'extra == "{extra}"' in need]
        assert len(needed) == len(requirements(file)) > 0


def test_the_source_distribution_holds_what_a_clone_is_tested_with(built):
    with tarfile.open(built[0]) as sdist:
        inside = {name.partition('/')[2] for name in sdist.getnames()}
    assert inside >= {file for folder in FOLDERS for file in files_below(ROOT / folder)}
    assert inside >= {path.name for pattern in FILES for path in ROOT.glob(pattern)}


def test_it_trains_and_draws_in_an_empty_folder(built, tmp_path):
    site, empty = tmp_path / 'site', tmp_path / 'empty'
    empty.mkdir()
    run(*PIP, 'install', *OFFLINE, '--target', site, built[1])
    environment = {**os.environ, 'PYTHONPATH': str(site), 'JAX_NUM_CPU_DEVICES': '1'}
    here = {'cwd': empty, 'env': environment}
    where = run(sys.executable, '-c', 'import gan_jax; print(gan_jax.__file__)', **here)
    assert where.strip() == str(site / 'gan_jax/__init__.py')

    command = site / 'bin/gan-jax'
    few_steps = ['num_steps=2', 'steps_per_dispatch=1', 'batch_size=8', 'evaluate_every_steps=2']
    few_steps += ['evaluation.metrics=fd', 'evaluation.num_samples=100', 'evaluation.split=train[:1%]']
    fields = [f'--config.{field}' for field in few_steps]
    printed = run(command, 'train', '--config=gan_fashion_mnist', *fields, **here)
    assert printed.splitlines()[-1].startswith('step 2 · ')
    workdir = '--workdir=runs/gan_fashion_mnist'
    # The same verb by its other name, and the same config by its other name.
    again = ['-m', 'gan_jax.train', '--config=configs/gan_fashion_mnist.py', workdir, *fields]
    assert run(sys.executable, *again, **here).splitlines()[-1] == printed.splitlines()[-1]
    run(command, 'sample', workdir, '--out=grid.png', '--num=4', **here)
    assert (empty / 'grid.png').stat().st_size > 0
