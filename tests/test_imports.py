"""Imports point downwards only, and nothing brings TensorFlow or PyTorch in."""

import ast
import os
import subprocess
import sys

from helpers import ROOT

PACKAGE = ROOT / 'gan_jax'
# From the ground up; a file may import what stands on a line before its own.
FLOORS = [
    {
        'base',
        'channels',
        'heap',
        'convolution',
        'directions',
        'disk',
        'fields',
        'fragments',
        'latents',
        'losses',
        'regularizers',
        'stopwatch',
    },
    {'augment', 'manifest', 'parallel', 'reading', 'schedule', 'stopping', 'train_state'},
    {'cli', 'compilation', 'fitting', 'image_pool', 'layers', 'pictures', 'processes', 'state_bytes'},
    {
        'archive',
        'lock',
        'outcome',
        'equalized',
        'events',
        'flops',
        'game',
        'growth',
        'onnx',
        'train_step',
        'watchdogs',
    },
    {'arrays', 'squares'},
    {'data', 'emoji', 'sources', 'translate', 'writers'},
    {'catalogue', 'metrics'},
    {'checkpoint', 'device_step', 'gans', 'scatter'},
    {'gallery', 'references', 'video'},
    {'ending', 'evaluation', 'nearest'},
    {'config', 'steps'},
    {'record', 'training_command'},
    {'dry_run', 'loop'},
    {'ensemble', 'members', 'trained'},
    {'explorer', 'provenance', 'records'},
    {'together'},
    {'explore', 'export', 'sample', 'prepare', 'seeds', 'train'},
    {'evaluate'},
    {'__main__'},
]
NEVER_GANS = {'parallel', 'data', 'checkpoint', 'writers', 'metrics'}


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imported(path):
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith('gan_jax'):
            names = node.module.split('.')[1:]
            parts |= {names[0]} if names else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            parts |= {alias.name.split('.')[1] for alias in node.names if alias.name.startswith('gan_jax.')}
    return parts


def test_a_benchmark_of_a_clone_finds_the_package():
    for path in sorted((ROOT / 'benchmarks').glob('*.py')):
        text = path.read_text()
        if "if __name__ == '__main__':" in text and 'from gan_jax' in text:
            assert 'sys.path.insert(0, ' in text.partition('from gan_jax')[0], path


def test_imports_point_downwards():
    floor_of = {part: number for number, floor in enumerate(FLOORS) for part in floor}
    for path in sorted(PACKAGE.rglob('*.py')):
        if path == PACKAGE / '__init__.py':
            continue
        part = part_of(path)
        assert part in floor_of, f'{part} has no floor'
        for other in imported(path) - {part}:
            assert floor_of[other] < floor_of[part], f'{path.name} imports {other}, which is not below it'
            assert part not in NEVER_GANS or other != 'gans'


def test_one_file_knows_pmap_and_one_knows_orbax():
    for word, owner in (('jax.pmap', 'parallel.py'), ('orbax', 'checkpoint.py')):
        users = {path.name for path in PACKAGE.rglob('*.py') if f'{word}' in path.read_text()}
        assert users == {owner}


def test_no_branch_on_a_system_outside_gans():
    for path in [*PACKAGE.glob('*.py'), ROOT / 'train.py']:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                constants = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
                systems = {'gan', 'dcgan', 'progan', 'cyclegan', 'points'}
                assert not constants & systems, f'{path.name}:{node.lineno}'


def test_neither_tensorflow_nor_pytorch_is_imported(tmp_path):
    for name in ('tensorflow', 'torch'):
        (tmp_path / f'{name}.py').write_text(f'raise ImportError("{name} was imported")\n')
    code = (
        'import train, gan_jax.loop, gan_jax.sample, gan_jax.dry_run, gan_jax.checkpoint, gan_jax.writers\n'
        'from gan_jax.config import load_config\n'
        'from gan_jax.data.source import open_images\n'
        'open_images(load_config("configs/dcgan_fashion_mnist.py", {}).data).images([0])\n'
        f'gan_jax.writers.MetricsWriter({str(tmp_path / "run")!r}).close()\n'
        'import sys\n'
        'assert not {"tensorflow", "torch"} & set(sys.modules)\n'
    )
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}:{ROOT}'}
    subprocess.run(
        [sys.executable, '-W', 'error', '-c', code], cwd=ROOT, env=environment, check=True, timeout=120
    )


def test_files_stay_short():
    lengths = {str(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob('*.py')}
    assert {path: length for path, length in lengths.items() if length > 260} == {}
