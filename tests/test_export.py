"""A generator that has been exported does what it did, for any number of examples, without this package."""

import json
import re
import shutil
import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest

from commands import make_run, tree
from gan_jax import checkpoint, export, onnx
from gan_jax.base import TrainingFailed
from gan_jax.config import to_json
from gan_jax.gans import load_system
from gan_jax.train_state import create_train_state
from gan_jax.trained import open_run
from helpers import ROOT, domain_batches, make_gan, small_config
from pages import blocks

SYSTEMS = ('gan', 'dcgan', 'progan', 'cyclegan', 'points')
PRINTED = re.compile(r'batch of (\d+): largest difference (\S+)')


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """A folder with an untrained run of each system; ProGAN's is half-way through the fade of a level."""
    folder = tmp_path_factory.mktemp('runs')
    for system in SYSTEMS:
        if system != 'progan':
            make_run(folder / system, system)
    # 128 features, as a CPU has a form of its own for those.
    config = small_config('progan', gan__feature_base=512, gan__max_features=128, ema_half_life_kimg=0.1)
    (folder / 'progan').mkdir()
    (folder / 'progan/config.json').write_text(to_json(config))
    fading = [stage.fade > 0 for stage in load_system('progan').stages(config)].index(True)
    stage = load_system('progan').stages(config)[fading]
    batch = {name: batches[0] for name, batches in domain_batches(config, 1).items()}
    create = partial(create_train_state, gan=make_gan(config, stage=fading))
    state = jax.jit(create)(jax.random.key(0), batch)
    state = state.replace(
        step=state.step + stage.first_step + 1,
        images_seen=state.images_seen + stage.first_image + stage.fade // 2,
        ema_params=jax.tree.map(lambda x: x / 2, state.ema_params),
    )
    checkpoints = checkpoint.Checkpoints(folder / 'progan', keep=1)
    checkpoints.save(state)
    checkpoints.close()
    return folder


def live(run, n, no_ema=False):
    """Inputs, and what the run's generator makes of them as `sample` would have it."""
    sample = jax.jit(run.gan.sample)
    if run.config.system == 'cyclegan':
        inputs = np.random.default_rng(n).uniform(-1, 1, (n, 8, 8, 1)).astype(np.float32)
        return inputs, sample(*run.generator(no_ema), {'a': inputs}, 0)['a_to_b']
    inputs = run.gan.sample_inputs(jax.random.key(n), n, run.batch)
    return inputs, sample(*run.generator(no_ema), inputs, run.state.images_seen)['generated']


def exported(runs, system, out, *options):
    export.main([f'--workdir={runs / system}', f'--out={out}', *options])
    return out.read_bytes()


@pytest.mark.parametrize('system', SYSTEMS)
def test_a_file_does_what_the_generator_does(runs, system, tmp_path):
    function = export.load_stablehlo(exported(runs, system, tmp_path / 'g.stablehlo'))
    run = open_run(runs / system)
    for n in (1, 7, 64):
        inputs, expected = live(run, n)
        outputs = np.asarray(function(inputs))
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5)
        assert np.ptp(outputs) > 1e-4  # of a generator that does something
    about = json.loads((tmp_path / 'g.stablehlo.json').read_text())
    assert about['state_sha256'] == run.sha256
    assert about['step'] == run.step
    assert about['input_shape'][0] == 'n'
    if system == 'dcgan':  # as the page shows it
        example = json.loads(shown('json')[0])
        assert list(about) == list(example)
        same = ('system', 'data', 'averaged', 'input', 'output', 'dtype')
        assert [about[name] for name in same] == [example[name] for name in same]


def test_pictures_of_other_sizes_and_the_other_way(runs, tmp_path):
    run = open_run(runs / 'cyclegan')
    data = exported(runs, 'cyclegan', tmp_path / 'g.stablehlo', '--direction=b2a')
    images = np.random.default_rng(0).uniform(-1, 1, (2, 12, 20, 1)).astype(np.float32)
    expected = jax.jit(run.gan.sample)(*run.generator(), {'b': images}, 0)['b_to_a']
    np.testing.assert_allclose(export.load_stablehlo(data)(images), expected, rtol=0, atol=1e-5)
    assert data != exported(runs, 'cyclegan', tmp_path / 'h.stablehlo')


def test_averaged_weights_unless_told_otherwise(runs, tmp_path):
    run = open_run(runs / 'progan')
    inputs, as_they_are = live(run, 3, no_ema=True)
    data = exported(runs, 'progan', tmp_path / 'g.stablehlo', '--no_ema')
    np.testing.assert_allclose(export.load_stablehlo(data)(inputs), as_they_are, rtol=0, atol=1e-5)
    assert np.max(np.abs(as_they_are - live(run, 3)[1])) > 1e-2
    assert json.loads((tmp_path / 'g.stablehlo.json').read_text())['averaged'] is False


def test_one_file_for_every_platform_the_same_bytes_wherever_it_is_made(runs, tmp_path):
    data = exported(runs, 'dcgan', tmp_path / 'g.stablehlo')
    shutil.copytree(runs / 'dcgan', tmp_path / 'elsewhere')
    code = 'import sys; from gan_jax import cli, export; sys.exit(cli.run(export.main))'
    subprocess.run(
        [
            sys.executable,
            '-c',
            code,
            f'--workdir={tmp_path / "elsewhere"}',
            f'--out={tmp_path / "h.stablehlo"}',
        ],
        cwd=ROOT,
        check=True,
        timeout=300,
    )
    assert (tmp_path / 'h.stablehlo').read_bytes() == data
    assert (tmp_path / 'h.stablehlo.json').read_bytes() == (tmp_path / 'g.stablehlo.json').read_bytes()
    module = jax.export.deserialize(bytearray(data))
    assert module.platforms == ('cpu', 'cuda', 'tpu')
    # All are transposed convolutions as they stand, none in the forms that this CPU would like better.
    text = module.mlir_module()
    assert text.count('stablehlo.convolution(') == text.count('lhs_dilate = [2, 2]') > 0
    for text in (str(ROOT), str(runs), 'gan_jax', '.py'):
        assert text.encode() not in data


def test_a_run_in_bfloat16_is_exported_in_float32(tmp_path):
    config = small_config('dcgan', dtype='bfloat16')
    make_run(tmp_path / 'dcgan', 'dcgan')
    (tmp_path / 'dcgan/config.json').write_text(to_json(config))
    data = exported(tmp_path, 'dcgan', tmp_path / 'g.stablehlo', '--verify')
    assert 'bf16' not in jax.export.deserialize(bytearray(data)).mlir_module()


def test_the_loader_in_the_docs_needs_no_more_than_it_says(runs, tmp_path):
    """In a process that has JAX, its own needs and flatbuffers, but nothing else of ours."""
    exported(runs, 'dcgan', tmp_path / 'g.stablehlo')
    loader = shown('python')[0]
    assert len(loader.splitlines()) <= 10
    for name in ('gan_jax', 'flax', 'optax', 'orbax', 'ml_collections', 'PIL'):
        (tmp_path / f'{name}.py').write_text(f'raise ImportError("{name} was imported")\n')
    (tmp_path / 'load.py').write_text(loader.replace('100', '8'))
    subprocess.run([sys.executable, '-W', 'error', 'load.py'], cwd=tmp_path, check=True, timeout=300)
    images = np.load(tmp_path / 'images.npy')
    run = open_run(runs / 'dcgan')
    z = np.random.default_rng(0).standard_normal((7, 8), np.float32)
    expected = jax.jit(run.gan.sample)(*run.generator(), z, 0)['generated']
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-5)


def test_verify_tells_the_difference(runs, tmp_path, capsys, monkeypatch):
    exported(runs, 'gan', tmp_path / 'g.stablehlo', '--verify')
    told = PRINTED.findall(capsys.readouterr().out)
    assert [int(n) for n, _ in told] == [1, 7, 64]
    assert all(float(difference) <= 1e-5 for _, difference in told)

    write, load = export.FORMATS['.stablehlo']
    for wrong in (1.001, np.nan):
        spoilt = lambda generator, wrong=wrong: write(
            generator._replace(function=lambda z: wrong * generator.function(z))
        )
        monkeypatch.setitem(export.FORMATS, '.stablehlo', (spoilt, load))
        before = tree(tmp_path)
        with pytest.raises(TrainingFailed, match='differ by more than 1e-05; nothing was written'):
            exported(runs, 'gan', tmp_path / 'g.stablehlo', '--verify')
        assert tree(tmp_path) == before


def test_a_direction_is_for_a_run_that_translates(runs, refused, tmp_path):
    arguments = [f'--workdir={runs / "gan"}', '--out=g.stablehlo', '--direction=a2b']
    refused(export.main, arguments, "--direction: 'a2b' will not do, as this run draws from z; takes none")


@pytest.mark.parametrize('missing', ['jax2onnx', 'onnxruntime'])
def test_onnx_without_what_it_needs(runs, refused, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)  # which an import of it meets
    monkeypatch.setattr(onnx, 'to_onnx', lambda *_: onnx.installed(missing))
    arguments = [f'--workdir={runs / "gan"}', '--out=g.onnx', '--verify']
    refused(export.main, arguments, f'--out: .onnx needs {missing} (', 'pip install -r requirements-onnx.txt')


@pytest.mark.parametrize('system', SYSTEMS)
def test_onnx(runs, system, tmp_path, capsys):
    needs_jax2onnx()
    data = exported(runs, system, tmp_path / 'g.onnx', '--verify')
    assert len(PRINTED.findall(capsys.readouterr().out)) == 3
    run = open_run(runs / system)
    inputs, expected = live(run, 7)
    np.testing.assert_allclose(onnx.load_onnx(data)(inputs), expected, rtol=0, atol=1e-5)
    metadata = onnx.installed('onnx').load_model_from_string(data).metadata_props
    assert {each.key: each.value for each in metadata}['state_sha256'] == run.sha256
    assert exported(runs, system, tmp_path / 'h.onnx') == data


def test_the_docs_run_onnx(runs, tmp_path, monkeypatch):
    needs_jax2onnx()
    exported(runs, 'dcgan', tmp_path / 'g.onnx')
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(shown('python')[1].replace('100', '8'), namespace)
    run = open_run(runs / 'dcgan')
    expected = jax.jit(run.gan.sample)(*run.generator(), namespace['z'], 0)['generated']
    np.testing.assert_allclose(namespace['images'], expected, rtol=0, atol=1e-5)


def needs_jax2onnx():
    pytest.importorskip('jax2onnx', reason='jax2onnx is not installed here: see requirements-onnx.txt')
    if jax.__version_info__ >= (0, 12):
        pytest.skip('jax2onnx 0.17 does not work with jax 0.12')


def shown(language):
    """The page's blocks of a language."""
    return [block.text for block in blocks('docs/export.md') if block.language == language]
