"""A whole run in small: what it leaves behind, how often it compiles, and how it fails."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import checkpoint, fitting, loop, parallel
from gan_jax.base import TrainingFailed, UserError
from gan_jax.compilation import Programs
from gan_jax.config import check_workdir, load_config
from gan_jax.gans import load_system
from gan_jax.state_bytes import state_sha256
from gan_jax.stopwatch import StageClock
from gan_jax.trained import open_run
from helpers import ROOT, replicas_that_differ, small_config

NUM_STAGES = {'gan': 1, 'dcgan': 1, 'progan': 3, 'cyclegan': 1, 'points': 1}
# A stage's end is logged, too.
LOGGED = {'gan': [4, 8], 'dcgan': [4, 8], 'progan': [4, 6, 8], 'cyclegan': [4, 8], 'points': [4, 8]}
# Systems whose runs here measure themselves, and the programs that it takes: G's pictures at each of two
# levels, or each of two ways, and the reals. DCGAN does in test_evaluation, points in test_seeds.
MEASURING_PROGRAMS = {'progan': 3, 'cyclegan': 3}


@pytest.fixture(scope='module', params=['gan', 'dcgan', 'progan', 'cyclegan', 'points'])
def run(request, tmp_path_factory):
    """A finished run: (system, workdir, state, names of what was compiled)."""
    workdir = tmp_path_factory.mktemp(request.param)
    measured = {'evaluate_every_steps': 4, 'evaluation__metrics': 'kid'}
    config = small_config(request.param, **(measured if request.param in MEASURING_PROGRAMS else {}))
    compiled = []

    def listen(event, seconds, **facts):
        if event == '/jax/core/compile/backend_compile_duration':
            compiled.append(facts['fun_name'])

    jax.monitoring.register_event_duration_secs_listener(listen)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv('XDG_CACHE_HOME', str(workdir / 'cache'))  # where no reals have been seen yet
        state = loop.train(config, workdir)
    return request.param, workdir, state, tuple(compiled)


def test_a_run_leaves_its_files(run):
    _, workdir, state, _ = run
    records = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    system, _, _, _ = run
    steps = LOGGED[system]
    assert [record['step'] for record in records] == steps
    assert [record['kimg'] for record in records] == [step * 16 / 1000 for step in steps]
    for name in ('loss', 'gradient_norm'):
        assert all(np.isfinite(records[-1][f'{player}_{name}']) for player in ('generator', 'discriminator'))
    assert 0 < records[-1]['real_probability'] < 1
    assert 0 < records[-1]['fake_probability'] < 1
    assert records[0]['images_per_second'] > 0
    assert 0 <= records[0]['data_wait_fraction'] <= 1
    picture = np.asarray(Image.open(workdir / 'samples' / 'step_00000008.png'))
    assert picture.std() > 0
    assert (workdir / 'curves.png').stat().st_size > 10_000
    assert list((workdir / 'tensorboard').glob('events.*'))
    assert replicas_that_differ(state) == []
    assert int(state.step) == 8
    assert int(state.images_seen) == 8 * 16


def test_a_run_that_is_told_to_measures_itself(run):
    """A generator that grows from its first level on; translations both ways, and back again."""
    system, workdir, _, _ = run
    record = json.loads((workdir / 'metrics.jsonl').read_text().splitlines()[-1])
    assert any('KD-' in name for name in record) == (system in MEASURING_PROGRAMS)
    if system not in MEASURING_PROGRAMS:
        return
    ways = ['a_to_b ', 'b_to_a '] if system == 'cyclegan' else ['']
    assert all(np.isfinite(record[f'{way}KD-small_cnn']) for way in ways)
    errors = [record[name] for name in record if name.endswith(' error')]
    assert len(errors) == (2 if system == 'cyclegan' else 0)
    assert all(0 < error < 2 for error in errors)


def test_a_stage_compiles_once(run):
    system, _, _, compiled = run
    # A function under pmap goes by the name of pmap's own wrapper; 1 makes the replicas' fingerprints.
    of_steps = compiled.count('jit(_fun)') - 1 - MEASURING_PROGRAMS.get(system, 0)
    assert of_steps == NUM_STAGES[system], compiled
    assert compiled.count('jit(sample)') == NUM_STAGES[system]
    assert compiled.count('jit(create_train_state)') == 1


def test_the_next_stage_and_the_sampler_compile_while_a_stage_trains(tmp_path, monkeypatch):
    """A step is asked for before the stage that precedes it ends, a sampler before it is run."""
    asked, ran = [], []
    prepare, run = Programs.prepare, Programs.run

    def noted_prepare(self, key, function, *arguments):
        asked.append((key, len(ran)))
        prepare(self, key, function, *arguments)

    def noted_run(self, key, function, *arguments):
        ran.append(key)
        return run(self, key, function, *arguments)

    monkeypatch.setattr(Programs, 'prepare', noted_prepare)
    monkeypatch.setattr(Programs, 'run', noted_run)
    config = small_config('progan', num_steps=6)
    loop.train(config, tmp_path, jax.local_devices()[:1])
    stages = load_system(config.system).stages(config)
    assert len(stages) == 2
    for stage in stages[1:]:
        program = stage, config.steps_per_dispatch
        first_asked = min(when for key, when in asked if key == program)
        assert first_asked < ran.index(program)
    for stage in stages:
        assert min(when for key, when in asked if key == stage) <= ran.index(stage)


def test_a_stages_clock_counts_its_compilation():
    seconds = iter([100.0, 130.0])
    clock = StageClock(5_000, compile_seconds=10.0, clock=lambda: next(seconds))
    assert clock.seconds_per_kimg(9_000) == (130 - 100 + 10) / 4


def test_checkpoints_hold_the_state_on_any_number_of_devices(run):
    system_name, workdir, state, _ = run
    assert checkpoint.Checkpoints(workdir).steps() == LOGGED[system_name]
    restored, earlier = open_run(workdir, 8), open_run(workdir, 4)
    assert restored.config.system == system_name
    assert restored.sha256 == state_sha256(restored.state) == state_sha256(state) != earlier.sha256


def test_a_hash_sees_every_leaf(run):
    _, _, state, _ = run
    state = parallel.fetch(state.replace(rng=jax.random.key_data(state.rng)))
    whole, leaves = state_sha256(state), jax.tree.leaves(state)
    for i in range(len(leaves)):
        changed = [leaf.copy() if j == i else leaf for j, leaf in enumerate(leaves)]
        flat = changed[i].reshape(-1)
        flat[0] += 1
        changed[i] = flat.reshape(changed[i].shape)
        assert state_sha256(jax.tree.unflatten(jax.tree.structure(state), changed)) != whole


def test_a_shorter_run_that_is_made_longer_is_unbroken(run, tmp_path, capsys):
    """From the end of a stage, where there are several; pools are full. Runs that are killed: test_resume."""
    system, workdir, state, _ = run
    parts = [4, 6, 8] if system == 'progan' else [4, 8]
    for num_steps in parts:
        resumed = loop.train(small_config(system, num_steps=num_steps), tmp_path)
    told = capsys.readouterr().err
    assert all(f'going on from the checkpoint at step {step}' in told for step in parts[:-1])
    assert state_sha256(resumed) == state_sha256(state)
    if system == 'progan':
        assert int(resumed.opt_state['generator'][0].count) == 2  # as new at step 6
        assert (tmp_path / 'growth.png').read_bytes() == (workdir / 'growth.png').read_bytes()
    with pytest.raises(UserError, match=r'seed \(was 0, now 1\)'):
        check_workdir(workdir, small_config(system, seed=1))


TWO_STEPS = {'num_steps': 2, 'data__flip': 'true', 'gan__critic_steps': 3, 'data__split': 'train[:90]'}


@pytest.mark.parametrize(
    ('num_devices', 'placement'),
    [
        (8, 'device'),
        pytest.param(8, 'host', marks=pytest.mark.slow),
        pytest.param(1, 'device', marks=pytest.mark.slow),
    ],
)
def test_where_data_lies_changes_nothing(placement, num_devices, tmp_path, host_run):
    config = small_config('gan', **TWO_STEPS, data__placement=placement)
    state = loop.train(config, tmp_path, jax.local_devices()[:num_devices])
    assert int(state.images_seen) == 2 * 3 * config.batch_size  # more than an epoch
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(host_run.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope='module')
def host_run(tmp_path_factory):
    config = small_config('gan', **TWO_STEPS, data__placement='host')
    return loop.train(config, tmp_path_factory.mktemp('host'), jax.local_devices()[:2])


def test_nothing_is_moved_to_or_from_the_devices_unasked(tmp_path, monkeypatch):
    guarded = []

    def check(dispatch, metrics, checkpoints, on_nonfinite):
        with pytest.raises(jax.errors.JaxRuntimeError, match=r'[Dd]isallowed host-to-device transfer'):
            jax.jit(lambda x: x + 1)(np.ones(3))
        guarded.append(dispatch)

    monkeypatch.setattr(loop, 'check_finite', check)
    loop.train(small_config('gan', num_steps=4), tmp_path)
    assert guarded


@pytest.mark.parametrize('system', ['gan', pytest.param('cyclegan', marks=pytest.mark.slow)])
def test_a_run_that_diverges_says_where(system, tmp_path):
    rates = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    with pytest.raises(
        TrainingFailed,
        match=r"step \d+: the (generator|discriminator)'s \w.* is (nan|inf); there is no checkpoint yet",
    ):
        loop.train(small_config(system, gan__loss='wasserstein', **rates), tmp_path)


def test_a_run_that_shall_skip_goes_on_and_counts(tmp_path):
    rates = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    config = small_config('gan', gan__loss='wasserstein', on_nonfinite='skip', **rates)
    state = loop.train(config, tmp_path)
    assert int(state.skipped_steps) == int(state.step) == 8  # D's first one makes G's loss infinite
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    last = json.loads((tmp_path / 'metrics.jsonl').read_text().splitlines()[-1])
    assert last['skipped_steps'] == int(state.skipped_steps)


@pytest.mark.parametrize(
    ('available', 'end'),
    [(10**6, r'at most 1?\d?\d there'), (10**5, r'none there: 8 would not fit, either')],
)
def test_a_stage_that_does_not_fit_ends_the_run_before_it_begins(available, end, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, 'device_memory_bytes', lambda devices: available)
    stage = r'--config.batch_size: 200 at 8 x 8, fading in'
    with pytest.raises(
        UserError, match=rf'{stage} needs \S+ GiB on each device, which has \S+ GiB; takes {end}'
    ):
        loop.train(small_config('progan', gan__batch_sizes='200', batch_size=200), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_the_memory_of_the_heaviest_stages_bounds_that_of_all():
    paper = load_config(str(ROOT / 'configs/progan_celeb_a_hq.py'), {})
    stages = load_system('progan').stages(paper)
    heaviest = fitting.heaviest(stages)
    assert [(stage.batch_size, stage.resolution) for stage in heaviest] == [
        (512, 4),
        (256, 8),
        (128, 16),
        (64, 32),
        (32, 1024),
    ]
    assert [stage.fade > 0 for stage in heaviest] == [False, True, True, True, True]


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        ({'batch_size': 12}, r'--config.batch_size: 12 will not do on 8 devices; takes a multiple of 8'),
        ({'batch_size': 208}, r'--config.batch_size: 208 is more than the data set holds; takes at most 200'),
    ],
)
def test_batches_that_do_not_fit_write_nothing(overrides, message, tmp_path):
    workdir = tmp_path / 'run'
    with pytest.raises(UserError, match=message):
        loop.train(small_config('gan', **overrides), workdir)
    assert not workdir.exists()


def test_the_last_pictures_are_drawn_again_where_a_kill_took_them(run):
    system, workdir, _, _ = run
    pictures = ['curves.png', *(['growth.png'] if system == 'progan' else [])]
    kept = [(workdir / name).read_bytes() for name in pictures]
    for name in pictures:
        (workdir / name).unlink()
    loop.train(small_config(system), workdir)
    assert [(workdir / name).read_bytes() for name in pictures] == kept
