"""A run is measured as it goes, on any number of devices, and its best checkpoint stays."""

import json

import jax
import numpy as np
import pytest

from gan_jax import evaluate, loop, manifest, references
from gan_jax.base import UserError
from gan_jax.compilation import Programs
from gan_jax.evaluation import Evaluation, open_look
from gan_jax.state_bytes import state_sha256
from gan_jax.trained import open_run
from gan_jax.writers import read_records
from helpers import small_config

EVERY = {'evaluate_every_steps': 2, 'evaluation__metrics': 'fd,kid,pr,dc,is'}
FIGURES = ['FD-small_cnn', 'KD-small_cnn', 'KD-small_cnn sd', 'precision', 'recall', 'density', 'coverage']
FIGURES += ['IS-small_cnn', 'IS-small_cnn sd']


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache/gan_jax/references'


def figures_of(record):
    return {name: record[name] for name in FIGURES}


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """A run that is measured at every second step, and its workdir."""
    workdir = tmp_path_factory.mktemp('run') / 'a'
    config = small_config('dcgan', **EVERY)
    return config, workdir, loop.train(config, workdir, jax.devices()[:1])


def test_figures_stand_in_the_log(measured):
    """At their own interval, which is half that of the log, and at the end; no step stands twice."""
    _, workdir, _ = measured
    records = read_records(workdir / 'metrics.jsonl')
    assert [record['step'] for record in records] == [2, 4, 6, 8]
    assert all(np.isfinite(list(figures_of(record).values())).all() for record in records)


def test_looking_changes_nothing(measured, tmp_path):
    config, _, state = measured
    config = small_config('dcgan')
    assert state_sha256(loop.train(config, tmp_path / 'b', jax.devices()[:1])) == state_sha256(state)


def test_the_best_checkpoint_stays(measured):
    """By the first metric; its mark is on it alone, whatever else is kept."""
    _, workdir, _ = measured
    records = read_records(workdir / 'metrics.jsonl')
    best = min(records, key=lambda record: record['FD-small_cnn'])
    marked = [path.parent.name for path in workdir.glob('checkpoints/*/best')]
    assert marked == [str(best['step'])]
    assert manifest.rank(workdir / 'checkpoints' / marked[0]) == -best['FD-small_cnn']
    assert open_run(workdir, 'best').step == best['step']


def test_evaluate_gives_the_same_figures(measured, capsys, tmp_path, monkeypatch):
    config, workdir, _ = measured
    out = tmp_path / 'figures.json'
    arguments = [f'--workdir={workdir}', f'--json={out}', f'--seed={config.seed}', '--checkpoint=8']
    evaluate.main(arguments)
    told = capsys.readouterr()
    last = read_records(workdir / 'metrics.jsonl')[-1]
    written = json.loads(out.read_text())
    for name, value in figures_of(last).items():
        assert written['figures'][name] == pytest.approx(value, rel=1e-3, abs=1e-6)
        assert name.endswith(' sd') or f'{name} ' in told.out
    assert (
        written['protocol']['weights sha256']
        == open_look(config.evaluation, jax.devices(), Programs()).network.sha256
    )
    assert written['protocol']['step'] == 8
    assert 'FD-small_cnn: 40 pictures are no more than its 128 features' in told.err


def test_eight_devices_see_what_one_does(measured):
    config, workdir, _ = measured
    run = open_run(workdir, 8)
    step, state, gan, batch = run.step, run.state, run.gan, run.batch

    def figures(devices):
        evaluation = Evaluation(config, open_look(config.evaluation, devices, Programs()), config.seed)
        from gan_jax import parallel

        player = (state.ema_params, state.ema_model_state)
        player, images_seen = parallel.replicate((player, state.images_seen), devices)
        return evaluation.of(gan, step, player, images_seen, batch).figures

    one, eight = figures(jax.devices()[:1]), figures(jax.devices())
    assert eight == {name: pytest.approx(value, rel=1e-4, abs=1e-6) for name, value in one.items()}


def test_reals_are_looked_at_once(measured, own_cache, monkeypatch):
    config, _, _ = measured
    new = lambda **changes: Evaluation(
        small_config('dcgan', **EVERY, **changes),
        open_look(config.evaluation, jax.devices()[:1], Programs()),
        0,
    )
    first = new().real('image')
    assert len(list(own_cache.glob('*.npz'))) == 1
    with monkeypatch.context() as patched:
        patched.setattr(references.Look, 'at_pictures', lambda *_: pytest.fail('looked at again'))
        again = new().real('image')
    np.testing.assert_array_equal(again.features, first.features)
    np.testing.assert_array_equal(again.moments.scatter, first.moments.scatter)
    new(data__resolution=32).real('image')  # other pixels
    new(evaluation__split='test[:50]').real('image')  # other pictures
    assert len(list(own_cache.glob('*.npz'))) == 3


@pytest.mark.parametrize('damage', [lambda whole: whole[: len(whole) // 2], lambda whole: b''])
def test_a_broken_cache_is_looked_past(measured, own_cache, damage):
    config, _, _ = measured
    new = lambda: Evaluation(config, open_look(config.evaluation, jax.devices()[:1], Programs()), 0)
    first = new().real('image')
    (path,) = own_cache.glob('*.npz')
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(new().real('image').moments.mean, first.moments.mean)


def test_a_run_that_is_to_stop_does_not_wait_for_its_figures(measured, tmp_path):
    config, workdir, _ = measured
    run = open_run(workdir, 8)
    evaluation = Evaluation(config, open_look(config.evaluation, jax.devices()[:1], Programs()), 0)
    generator = run.generator(), run.state.images_seen
    assert evaluation.of(run.gan, run.step, *generator, run.batch, is_stopped=lambda: True) is None


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'evaluation__split': 'validation'}, r'--config.evaluation.split: got .validation.'),
        (
            {'evaluation__split': 'train[:5]'},
            r'split: 5 will not do for dc; takes 6 or more',
        ),
        (
            {'evaluation__weights': 'missing.npz'},
            r'weights: .missing.npz. cannot be read',
        ),
        (
            {'evaluation__metrics': 'stacked'},
            r'network: .small_cnn. will not do for stacked',
        ),
        (
            {'evaluation__metrics': 'stacked', 'evaluation__network': 'stacked_cnn'},
            r'--config.evaluation.network: .stacked_cnn. will not do where --config.data.channels is 1',
        ),
        ({'evaluation__network': 'inception_v3'}, r'--config.evaluation.weights: missing for inception_v3'),
    ],
)
def test_mistakes_are_told_before_anything_is_written(changes, message, tmp_path):
    config = small_config('dcgan', **{**EVERY, **changes})
    with pytest.raises(UserError, match=message):
        loop.train(config, tmp_path / 'a', jax.devices()[:1])
    assert not (tmp_path / 'a').exists()
